"""Makes statsmodels.json, the reference of reference_test.go: python3 reference.py > statsmodels.json

Values come from statsmodels, called as the two scripts of the predictive HPA v0.13.2 call it
(algorithms/holt_winters/holt_winters.py, algorithms/linear_regression/linear_regression.py). "syncs" runs the loop over the
models in its controller (internal/controllers/controller.go, processModels) on lists kept as there, newest first.
"""
import json
import math
import random
import sys
import warnings

import numpy
import statsmodels
import statsmodels.api
import statsmodels.tsa.api

warnings.simplefilter("ignore")
rng = random.Random(20230701)


def smoothing(c, series):
    extra = {k: c.get(k) for k in ("initial_level", "initial_trend", "initial_seasonal")}
    model = statsmodels.tsa.api.ExponentialSmoothing(
        series, trend=c["trend"], seasonal=c["seasonal"], seasonal_periods=c["seasonal_periods"],
        initialization_method=c["initialization_method"], damped_trend=c.get("damped_trend", False), **extra)
    return model, model.fit(smoothing_level=c["alpha"], smoothing_trend=c["beta"], smoothing_seasonal=c["gamma"], optimized=False)


def least(m):
    return max(2 * m, 10 + 2 * (m // 2))


def settings(m, trend, seasonal, method):
    c = dict(alpha=round(rng.random(), 3), beta=round(rng.random(), 3), gamma=round(rng.random(), 3), seasonal_periods=m,
             trend=trend, seasonal=seasonal, initialization_method=method)
    if method == "known":
        c.update(initial_level=round(1 + 20 * rng.random(), 2), initial_trend=round(0.9 + 0.2 * rng.random(), 3),
                 initial_seasonal=round(0.5 + rng.random(), 3))
    return c


def series_of(n, m, low):
    """Seasons of m, a slope and noise, as whole replicas of at least low."""
    slope, height = rng.uniform(-0.1, 0.3), rng.uniform(2, 15)
    return [max(low, round(height * (1 + 0.5 * math.sin(2 * math.pi * i / m)) + slope * i + rng.gauss(0, 1))) for i in range(n)]


def holt_winters():
    cases = []
    for m in (2, 3, 4, 6, 7, 12):
        for trend in ("add", "mul"):
            for seasonal in ("add", "mul"):
                for method in ("estimated", "heuristic", "legacy-heuristic", "known"):
                    c = settings(m, trend, seasonal, method)
                    n = least(m) + rng.choice((0, 1, m, 3 * m + 1))
                    c["series"] = series_of(n, m, 0 if trend == seasonal == "add" else 1)
                    model, fit = smoothing(c, [float(y) for y in c["series"]])
                    c["first_level"], c["first_trend"] = float(model._initial_level), float(model._initial_trend)
                    c["first_seasonal"] = [float(s) for s in numpy.broadcast_to(model._initial_seasonal, m)]
                    c["value"] = float(fit.forecast(steps=1)[0])
                    cases.append(c)
    return cases


def failures():
    cases = []
    base = dict(alpha=0.9, beta=0.9, gamma=0.9, seasonal_periods=3, initialization_method="estimated")
    for name, change, series in (
            ("multiplicative season with a 0", dict(trend="add", seasonal="mul"), [1, 2, 0] * 5),
            ("multiplicative trend with a 0", dict(trend="mul", seasonal="add"), [1, 2, 0] * 5),
            ("damped trend", dict(trend="add", seasonal="add", damped_trend=True), [1, 2, 3] * 5),
            ("one season", dict(trend="add", seasonal="add", seasonal_periods=1), [1, 2, 3] * 5),
            ("initial level without known", dict(trend="add", seasonal="add", initial_level=1.0), [1, 2, 3] * 5),
            ("known without a trend", dict(trend="add", seasonal="add", initialization_method="known", initial_level=1.0,
                                           initial_seasonal=1.0), [1, 2, 3] * 5),
            ("known, dividing by 0", dict(trend="add", seasonal="mul", initialization_method="known", initial_level=1.0,
                                          initial_trend=0.0, initial_seasonal=0.0), [1, 2, 3] * 5)):
        c = dict(base, **change)
        try:
            value = math.ceil(smoothing(c, [float(y) for y in series])[1].forecast(steps=1)[0])
            raise AssertionError(f"{name}: {value}")
        except (ValueError, TypeError, OverflowError) as error:
            cases.append(dict(c, name=name, series=series, error=f"{type(error).__name__}: {error}"))
    return cases


def line(search, points):
    """search and the points' times in seconds."""
    x = statsmodels.api.add_constant([search - t for t, _ in points])
    return float(statsmodels.api.OLS([r for _, r in points], x).fit().predict([[1, 0]])[0])


def linear():
    cases = []
    for n in (2, 3, 4, 7, 11, 31, 61):
        for period in (1, 15, 60):
            now, ahead = 1000 + rng.randrange(100000), rng.choice((1, 10000, 15000, 90000, 600000))
            times = sorted(now - period * i - rng.randrange(0, 2 if period > 1 else 1) for i in range(n))
            points = [[t, rng.randrange(0, 50)] for t in times]
            cases.append(dict(now_s=now, look_ahead_ms=ahead, points=points, value=line(now + ahead / 1000, points)))
    return cases


def sync_trace(models, period_s, counts):
    """processModels without start intervals and resets. Predictions are [outcome, value or None] by sync and model."""
    state = [dict(history=[], passed=1) for _ in models]
    out = []
    for i, calculated in enumerate(counts):
        now, row = i * period_s, []
        for c, s in zip(models, state):
            history = s["history"] + [(now, calculated)]
            if s["passed"] >= c["per_sync_period"]:
                value = None
                if c["type"] == "Linear":
                    value = float(calculated) if len(history) == 1 else line(now + c["look_ahead_ms"] / 1000, history)
                elif len(history) >= least(c["seasonal_periods"]):
                    try:
                        value = float(smoothing(c, [float(y) for _, y in history])[1].forecast(steps=1)[0])
                    except ValueError:
                        row.append(["failed", None])
                        continue
                row.append(["too few", None] if value is None else ["predicted", value])
                s["passed"] = 1
            else:
                row.append(["not due", None])
                s["passed"] += 1
            history.sort(key=lambda p: -p[0])
            if c["type"] == "Linear":
                del history[c["history_size"]:]
            else:
                m = c["seasonal_periods"]
                remove = len(history) // m - c["stored_seasons"]
                if remove > 0:
                    del history[len(history) - remove * m:]
            s["history"] = history
        out.append(row)
    return dict(models=models, period_s=period_s, counts=counts, predictions=out)


def syncs():
    traces = []
    for k in range(6):
        m = rng.choice((3, 4, 6))
        models = [dict(type="Linear", per_sync_period=1 + k % 3, look_ahead_ms=rng.choice((15000, 60000)), history_size=rng.choice((1, 6, 20)))]
        for trend, seasonal, method in (("add", "add", "estimated"), ("add", "mul", "legacy-heuristic"), ("mul", "mul", "heuristic")):
            c = settings(m, trend, seasonal, method)
            c.update(type="HoltWinters", per_sync_period=1 + (k // 2) % 2, stored_seasons=rng.choice((3, 4, 6)))
            while (c["stored_seasons"] + 1) * m < least(m):
                c["stored_seasons"] += 1
            models.append(c)
        counts = series_of(70, m, 1)
        if k == 4:
            counts[5] = 0  # recorded while there is too little to predict from: multiplicative models fail for ever
        if k == 5:
            counts[40] = 0  # multiplicative models fail once, and do not record it
        traces.append(sync_trace(models, 15, counts))
    return traces


json.dump(dict(
    about="made by reference.py; times in seconds, look_ahead_ms in milliseconds; random settings and counts from random.Random(20230701)",
    statsmodels=statsmodels.__version__, numpy=numpy.__version__, holt_winters=holt_winters(), failures=failures(), linear=linear(),
    syncs=syncs()), sys.stdout, separators=(",", ":"))
print()
