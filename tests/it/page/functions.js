// The page's pure functions, each with what it is to give. Returns what differs.
const [format, range, attention, sparkline, history, banner, heatmap, events, partitions] = await Promise.all(
  ["format", "range", "attention", "sparkline", "history", "banner", "heatmap", "events", "partitions"].map(
    (name) => import(new URL(`assets/${name}.js`, location.href)),
  ),
);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const now = Date.UTC(2026, 0, 1);
const group = (name, attention, more = {}) => ({ cluster: "c", group: name, attention, ...more });
const sorted = (groups) => groups.sort(attention.before).map((one) => one.group).join();
const row = (seconds, topic, lag, more = {}) => ({
  time: new Date(now + seconds * 1000).toISOString(),
  topic,
  lag,
  ...more,
});
const standing = (more) =>
  banner.standing({ failedSince: null, retryAt: null, why: null, clusters: [], heardAt: now, ...more }, now).name;
const stale = { cluster: "c", as_of: new Date(now - HOUR).toISOString(), freshness: "stale" };
const told = [row(0, "t", null, { metric_value: 11, target: 5, implied_replicas: 3 }), row(20, "t", null, { metric_value: null, target: 5, implied_replicas: null })];

const cases = [
  ["unknown is no zero", ["count", "compact", "rate", "duration"].map((name) => format[name](null)).join(), "—,—,—,—"],
  ["numbers", [format.count(1234567), format.compact(9999), format.compact(1234567)].join(" "), "1,234,567 9,999 1.23M"],
  ["rates", [0, 0.001, 0.25, 12.34, 1234.5, 56789].map(format.rate).join(" "), "0/s <0.01/s 0.25/s 12.3/s 1,235/s 56.8K/s"],
  ["durations", [0, 0.4, 59, 61, 3600, 90061, 400 * 86400].map(format.duration).join(", "), "0 s, <1 s, 59 s, 1 min 1 s, 1 h, 1 d 1 h, 1 y 35 d"],
  ["a lower bound says so", format.timeLag({ time_lag_seconds: 60, time_lag_at_least: true }), "≥ 1 min"],
  ["an ETA of never", format.eta({ eta_seconds: null, drains: false, lag: 5 }), "not draining"],
  ["an unknown ETA", format.eta({ eta_seconds: null, drains: null, lag: null }), "—"],
  ["no lag", format.eta({ eta_seconds: null, drains: false, lag: 0 }), "caught up"],

  ["zoom in on live", range.lengthOf(range.zoom(range.live(HOUR, now), 0.5, now)), HOUR / 2],
  ["live stays live", range.zoom(range.live(HOUR, now), 2, now).live, true],
  ["zoom keeps the middle", JSON.stringify(range.zoom({ from: now - 4 * HOUR, to: now - 2 * HOUR }, 0.5, now)), JSON.stringify({ from: now - 3.5 * HOUR, to: now - 2.5 * HOUR, live: false })],
  ["no longer than the server's bound", range.lengthOf(range.zoom(range.live(range.LONGEST_MS, now), 2, now)), range.LONGEST_MS],
  ["no shorter than a few ticks", range.lengthOf(range.between(now - 1, now, now)), range.SHORTEST_MS],
  ["earlier", range.pan(range.live(HOUR, now), -0.5, now).to, now - HOUR / 2],
  ["later is live in the end", range.pan({ from: now - 2 * HOUR, to: now - HOUR }, 1, now).live, true],
  ["dragged from right to left", range.between(now, now - HOUR, now).from, now - HOUR],
  ["the address is read back", JSON.stringify(range.fromQuery(new URLSearchParams(range.toQuery({ from: 5, to: 5 + HOUR, live: false })), now)), JSON.stringify({ from: 5, to: 5 + HOUR, live: false })],
  ["an address that says nothing", range.lengthOf(range.fromQuery(new URLSearchParams("from=x"), now)), HOUR],
  ["steps", [HOUR, 24 * HOUR, 365 * 24 * HOUR].map((length) => range.stepFor({ from: 0, to: length }, 120)).join(), "30,900,345600"],

  ["what needs attention is first", sorted([group("a", "none"), group("b", "unknown"), group("c", "growing"), group("d", "warning"), group("e", "error")]), "e,d,c,b,a"],
  ["then what waits for longest, and unknown last", sorted([group("a", "none", { time_lag_seconds: null, lag: 9 }), group("b", "none", { time_lag_seconds: 0 }), group("c", "none", { time_lag_seconds: 7 })]), "c,b,a"],
  ["then the most lag, then the name", sorted([group("b", "none", { lag: 1 }), group("a", "none", { lag: 1 }), group("c", "none", { lag: 2 })]), "c,a,b"],
  ["filters by each word", ["ord serv", "ord c", "ord x"].map((text) => attention.matches(group("orders-service", "none"), text, "")).join(), "true,true,false"],
  ["filters by cluster", attention.matches(group("g", "none"), "", "d"), false],
  ["keys are apart", attention.keyOf({ cluster: "a", group: "b/c" }) !== attention.keyOf({ cluster: "a/b", group: "c" }), true],

  ["lines break where nothing is known", JSON.stringify(sparkline.linesOf([0, 2, null, 2, 1], 40, 8).map((line) => line.length)), "[2,2]"],
  ["lines are in the frame", JSON.stringify(sparkline.linesOf([0, 4], 40, 8)), "[[[0,6],[40,2]]]"],
  ["a line in words", sparkline.summaryOf([null, 3, 1]), "lag of the last hour: from 1 to 3, last 1"],
  ["no line in words", sparkline.summaryOf([null]), "lag of the last hour: unknown"],

  ["topics are added up", history.columnsOf([row(0, "a", 1), row(0, "b", 2), row(10, "a", 3)], ["lag"]).lag.join(), "3,3"],
  ["with an unknown topic the sum is", JSON.stringify(history.columnsOf([row(0, "a", 1), row(0, "b", null)], ["lag"]).lag), "[null]"],
  ["a gap is a gap", JSON.stringify(history.withGaps({ times: [0, 10, 20, 90], lag: [1, 2, 3, 4] }, ["lag"]).lag), "[1,2,3,null,4]"],
  ["what was in force", history.inForce(told, [now / 1000 - 1, now / 1000 + 5]).map((one) => one?.implied_replicas).join("|"), "|3"],
  ["unknown value, unknown replicas", history.inForce(told, [now / 1000 + 25])[0].implied_replicas, null],
  ["grid", JSON.stringify(history.gridOf([row(0, "t", 1, { partition: 1 }), row(0, "t", 2, { partition: 0 }), row(10, "t", 3, { partition: 1 })]).lags), "[[2,null],[1,3]]"],
  ["hottest", JSON.stringify(history.hottest({ partitions: [0, 1, 2], lags: [[5], [9], [null]] }, 2)), '{"total":null,"partitions":[{"partition":1,"lag":9},{"partition":0,"lag":5}]}'],
  ["heat", [0, 25, 100].map((lag) => heatmap.heat(lag, 100)).join(), "0,0.5,1"],
  ["partitions that share a line", JSON.stringify(heatmap.linesOf({ partitions: [0, 1, 2], lags: [[1], [null], [0]] }, 2).map((line) => line.lags[0])), "[1,0]"],
  ["an unknown one is not hidden by one without lag", JSON.stringify(heatmap.linesOf({ partitions: [0, 1], lags: [[0], [null]] }, 1)[0].lags), "[null]"],
  ["marks keep apart", events.thinned([0, 1, 9].map((seconds) => ({ time: new Date(seconds * 1000).toISOString() })), (at) => at).length, 2],

  ["partitions, the worst first", partitions.partitionsOf([{ topic: "t", partitions: [{ partition: 0, status: "OK", lag: 9 }, { partition: 1, status: null, lag: null }, { partition: 2, status: "STOP", lag: 1 }, { partition: 3, status: "OK", lag: 10 }] }], []).map((one) => one.partition).join(), "2,1,3,0"],
  ["with their reasons", partitions.partitionsOf([{ topic: "t", partitions: [{ partition: 0, status: "STOP" }] }], [{ topic: "t", partition: 0, reason: "why" }])[0].why, "why"],

  ["live", standing({}), "live"],
  ["nothing heard yet", standing({ heardAt: null }), "loading"],
  ["a cluster's newest tick is old", standing({ clusters: [stale] }), "stale"],
  ["a cluster can't be read", standing({ clusters: [{ ...stale, freshness: "fresh", reason: "no answer" }] }), "stale"],
  ["a cluster never read is not stale", standing({ clusters: [{ cluster: "c", as_of: null, freshness: "unknown" }] }), "live"],
  ["the server is away", standing({ failedSince: now, clusters: [stale] }), "failed"],
];
return cases.filter(([, found, expected]) => found !== expected).map(([name, found, expected]) => `${name}: ${found}, expected ${expected}`);
