// @ts-check
/** What must add up in every answer, whatever was sent. */

/** @param {any} node @param {string} path */
const at = (node, path) => path.split('.').reduce((found, part) => found?.[part], node);
const total = (/** @type {any[] | undefined} */ rows, member = 'value') => rows?.reduce((sum, row) => sum + Number((typeof row[member] === 'object' ? row[member]?.value : row[member]) ?? 0), 0);

/** Parts and their whole; a member other than `value` after `#`. */
const SUMS = /** @type {const} */ ([
  ['cost.spend_by_day', 'cost.spend'], ['cost.spend_by_service', 'cost.spend'], ['cost.spend_by_provider', 'cost.spend'], ['cost.spend_by_feature', 'cost.spend'],
  ['usage.turns_by_day', 'usage.turns'], ['usage.sessions_by_day', 'usage.sessions'], ['usage.heatmap', 'usage.sessions'],
  ['usage.users_by_guest', 'usage.users'], ['usage.users_by_plan', 'usage.users'], ['usage.segments', 'usage.users'], ['usage.power_users.turns#users', 'usage.users'], ['usage.power_users.spend#users', 'usage.users'],
  ['usage.abandonment.by_turn_number', 'usage.abandonment.sessions'], ['usage.satisfaction.by_model#up', 'usage.satisfaction.up'], ['usage.satisfaction.by_model#down', 'usage.satisfaction.down'],
  ['usage.satisfaction.by_intent#up', 'usage.satisfaction.up'], ['usage.satisfaction.by_intent#down', 'usage.satisfaction.down'],
  ['demographics.countries', 'usage.users'], ['demographics.countries#sessions', 'usage.sessions'],
  ['crisis.flagged_by_severity', 'crisis.flagged'], ['crisis.detectors#false_positives', 'crisis.false_positives'],
  ['sentiment.frustration.by_intent#n', 'sentiment.observations'], ['sentiment.frustration.by_model#n', 'sentiment.observations'], ['sentiment.frustration.by_model_version#n', 'sentiment.observations'],
  ['sentiment.frustration.by_hour#n', 'sentiment.observations'], ['sentiment.frustration.by_turn_number#n', 'sentiment.observations'], ['sentiment.frustration.heatmap#n', 'sentiment.observations'],
  ['operations.routes', 'operations.requests.total'], ['demographics.bots.by_kind', 'demographics.bots.total'], ['operations.intake.dropped_by_reason', 'operations.intake.dropped'],
]);

/** Parts whose wholes are what they rest on. */
const RESTS = /** @type {const} */ ([['cost.per_user.histogram', 'cost.per_user.max'], ['cost.per_session.histogram', 'cost.per_session.max'], ['cost.per_turn.histogram', 'cost.per_turn.max']]);

/**
 * Sums that are not their wholes; what an answer does not have is left to the oracle.
 * @param {any} panels
 * @returns {{ wrong: string[], checked: number }}
 */
export function sums(panels) {
  /** @type {string[]} */
  const wrong = [];
  let checked = 0;
  const hold = (/** @type {string} */ what, /** @type {number} */ parts, /** @type {number} */ whole) => {
    checked++;
    if (Math.abs(parts - whole) > 1e-6 * Math.max(1, Number.isInteger(whole) ? 0 : Math.abs(whole))) wrong.push(`${what}: ${parts}, the whole is ${whole}`);
  };
  for (const [parts, whole] of SUMS) {
    const [path = '', member] = parts.split('#');
    const [rows, sum] = [at(panels, path), at(panels, whole)?.value];
    if (Array.isArray(rows) && rows.length && typeof sum === 'number') hold(parts, total(rows, member) ?? 0, sum);
  }
  for (const [parts, whole] of RESTS) {
    const [rows, n] = [at(panels, parts), at(panels, whole)?.n];
    if (Array.isArray(rows) && n !== undefined) hold(parts, total(rows) ?? 0, n);
  }
  const { usage, sentiment, cost } = panels;
  if (usage?.new_users) hold('new and returning users', usage.new_users.value + usage.returning_users.value, usage.users.value);
  if (usage?.heatmap_local) hold('local heatmap', (total(usage.heatmap_local) ?? 0) + usage.heatmap_local_unknown.value, usage.sessions.value);
  for (const name of ['turns', 'spend']) if (usage?.power_users?.[name]?.length && usage.users.value) hold(`power users by ${name}`, total(usage.power_users[name]) ?? 0, 1);
  if (sentiment?.emotions_by_day) hold('emotions by day', total(sentiment.emotions_by_day) ?? 0, total(sentiment.emotions, 'sessions') ?? 0);
  if (cost?.spend_by_day) for (const day of cost.spend_by_day) hold(`services of ${day.bucket}`, Object.values(day.by_service ?? {}).reduce((sum, spend) => sum + Number(spend), 0), day.value);
  return { wrong, checked };
}

/** Parts of an answer that are of the instant of asking, or measured by Sage. */
const LIVE = /^(generated_at|people_as_of|panels\.operations\.|panels\.integrations\.freshness)/;
/** How far apart the same float may lie, added up in another order. */
const FLOAT = 1e-9;

/**
 * Where two answers differ that must not.
 * @param {any} one @param {any} other @param {string} [path]
 * @returns {string[]}
 */
export function differences(one, other, path = '') {
  if (LIVE.test(path)) return [];
  if (typeof one === 'number' && typeof other === 'number') return Math.abs(one - other) <= FLOAT * Math.max(1, Math.abs(one)) ? [] : [`${path}: ${one}, ${other}`];
  if (one === null || other === null || typeof one !== 'object' || typeof other !== 'object') return one === other ? [] : [`${path}: ${one}, ${other}`];
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].flatMap((name) => (name in one && name in other ? differences(one[name], other[name], path ? `${path}.${name}` : name) : [`${path}.${name}: only in one`]));
}
