package sim

// UseNeutralResponse makes fluid engines of an application take their formulas as they are: what is left is the analytic part of
// the engine. It must be called before anything else asks for the application's response.
func UseNeutralResponse(app *App) {
	app.graph.lazy.once.Do(func() {
		x := neutralResponse(app)
		for e := range x.endpoints {
			x.endpoints[e].lo[0], x.endpoints[e].hi[0] = 1, 1 // nothing was fitted, so nothing bounds
		}
		app.graph.lazy.value = x
	})
}
