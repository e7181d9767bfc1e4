// Turns rows of history into columns for charts. Pure.
// A value that is not known is null, and so is a sum with such a term.

const seconds = (row) => Date.parse(row.time) / 1000;

/** How the topics of a group make a value of the whole group. */
const COMBINE = {
  lag: sum,
  lag_max: sum,
  arrival_rate: sum,
  consumption_rate: sum,
  time_lag_seconds: most,
  eta_seconds: most,
  members: most,
};

function sum(one, other) {
  return one === null || other === null ? null : one + other;
}

function most(one, other) {
  return one === null || other === null ? null : Math.max(one, other);
}

/** `{ times, <metric>: [...] }` over all topics that are in the rows. */
export function columnsOf(rows, metrics) {
  const columns = { times: [] };
  for (const metric of metrics) columns[metric] = [];
  let newest = null;
  for (const row of rows) {
    const isNew = row.time !== newest;
    if (isNew) columns.times.push(seconds(row));
    newest = row.time;
    for (const metric of metrics) add(columns[metric], row[metric] ?? null, isNew, COMBINE[metric]);
  }
  return columns;
}

function add(column, value, isNew, combine) {
  if (isNew) column.push(value);
  else column.push(combine(column.pop(), value));
}

/** The usual distance of two times, in seconds. */
export function resolutionOf(times) {
  const apart = times.slice(1).map((time, place) => time - times[place]);
  return apart.sort((one, other) => one - other)[Math.floor(apart.length / 2)] ?? null;
}

/** Where rows are further apart than they usually are, nothing is known in between. */
export function withGaps(columns, names) {
  const apart = resolutionOf(columns.times);
  const gapped = Object.fromEntries(["times", ...names].map((name) => [name, []]));
  columns.times.forEach((time, place) => {
    if (place > 0 && apart !== null && time - columns.times[place - 1] > 2.5 * apart) {
      gapped.times.push(columns.times[place - 1] + apart);
      for (const name of names) gapped[name].push(null);
    }
    gapped.times.push(time);
    for (const name of names) gapped[name].push(columns[name][place]);
  });
  return gapped;
}

/** For each time what was in force of what was told, by changes or by steps. */
export function inForce(told, times) {
  const changes = told.map((row) => ({ at: seconds(row), row }));
  let place = -1;
  return times.map((time) => {
    while (place + 1 < changes.length && changes[place + 1].at <= time) place += 1;
    return place < 0 ? null : changes[place].row;
  });
}

/** Lags by partition and step: what a heat map shows. */
export function gridOf(rows) {
  const times = [...new Set(rows.map((row) => row.time))];
  const partitions = [...new Set(rows.map((row) => row.partition))].sort((one, other) => one - other);
  const column = new Map(times.map((time, place) => [time, place]));
  const line = new Map(partitions.map((partition, place) => [partition, place]));
  const lags = partitions.map(() => new Array(times.length).fill(null));
  for (const row of rows) lags[line.get(row.partition)][column.get(row.time)] = row.lag;
  return { times: times.map((time) => Date.parse(time) / 1000), partitions, lags };
}

/** The partitions with the most lag as of the newest step, most first. */
export function hottest(grid, number) {
  const newest = grid.partitions.map((partition, place) => ({ partition, lag: grid.lags[place].at(-1) ?? null }));
  const known = newest.filter(({ lag }) => lag !== null).sort((one, other) => other.lag - one.lag);
  const total = newest.some(({ lag }) => lag === null) ? null : known.reduce((sum, { lag }) => sum + lag, 0);
  return { total, partitions: known.slice(0, number) };
}

/** A sentence about a line, for who does not see it. */
export function sentenceOf(name, values, say) {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return `${name}: unknown in this range.`;
  let [least, greatest] = [known[0], known[0]];
  for (const value of known) {
    least = Math.min(least, value);
    greatest = Math.max(greatest, value);
  }
  const last = values.at(-1);
  return `${name}: ${say(last)} at the end, from ${say(least)} to ${say(greatest)}.`;
}
