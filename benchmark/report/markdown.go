package report

import "strings"

// block is a piece of summary.md: a heading, a list, a table, a code block or a paragraph.
type block struct {
	Level int // of a heading, else 0
	Text  string
	List  []string
	Head  []string
	Rows  [][]cell
	Code  string
}

// cell is a number with the ends of its interval beside it, or any other text.
type cell struct{ Text, Interval string }

// readMarkdown takes apart what the benchmark writes: headings, lists and tables of one line an item, fenced code and paragraphs,
// with escaped characters and no other markup.
func readMarkdown(text string) []block {
	var blocks []block
	kind := "" // of the line before: lines of one list, table or paragraph belong together
	for _, line := range strings.Split(text, "\n") {
		last := len(blocks) - 1
		before := kind
		kind = kindOf(line, before)
		switch kind {
		case "heading":
			title := strings.TrimLeft(line, "#")
			blocks = append(blocks, block{Level: len(line) - len(title), Text: unescape(strings.TrimSpace(title))})
		case "list":
			if before != kind {
				blocks = append(blocks, block{})
				last++
			}
			blocks[last].List = append(blocks[last].List, unescape(line[2:]))
		case "table":
			if before != kind {
				blocks = append(blocks, block{Head: splitRow(line)})
			} else if row := splitRow(line); !isRule(row) {
				cells := make([]cell, len(row))
				for i, s := range row {
					cells[i] = splitInterval(s)
				}
				blocks[last].Rows = append(blocks[last].Rows, cells)
			}
		case "code":
			if before != kind {
				blocks = append(blocks, block{})
			} else {
				blocks[last].Code += line + "\n"
			}
		case "text":
			if before != kind {
				blocks = append(blocks, block{Text: unescape(line)})
			} else {
				blocks[last].Text += " " + unescape(line)
			}
		}
	}
	return blocks
}

// kindOf tells what a line is, given what the one before was.
func kindOf(line, before string) string {
	fence := strings.HasPrefix(line, "```")
	switch {
	case before == "code" && fence:
		return "end"
	case before == "code" || fence:
		return "code"
	case line == "":
		return ""
	case strings.HasPrefix(line, "#"):
		return "heading"
	case strings.HasPrefix(line, "- "):
		return "list"
	case strings.HasPrefix(line, "|"):
		return "table"
	}
	return "text"
}

func splitRow(line string) []string {
	var cells []string
	line = strings.TrimSuffix(strings.TrimSpace(line), "|")
	start := 1
	for i := 1; i <= len(line); i++ {
		if i == len(line) || line[i] == '|' && line[i-1] != '\\' {
			cells = append(cells, unescape(strings.TrimSpace(line[start:i])))
			start = i + 1
		}
	}
	return cells
}

// isRule tells the line under a table's header.
func isRule(row []string) bool {
	for _, s := range row {
		if strings.Trim(s, "-:") != "" {
			return false
		}
	}
	return len(row) > 0 && strings.Contains(row[0], "--")
}

// splitInterval takes "1.2 [1.1, 1.3]*" apart, so that a narrow page can set the interval under the number.
func splitInterval(s string) cell {
	if i := strings.Index(s, " ["); i > 0 {
		return cell{s[:i], s[i+1:]}
	}
	return cell{Text: s}
}

var unescaper = strings.NewReplacer(`\|`, "|", `\*`, "*", `\_`, "_", "&lt;", "<", "\\`", "`")

func unescape(s string) string { return unescaper.Replace(s) }
