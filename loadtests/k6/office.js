// What the people of an office do with the gateway. The scripts beside this file decide how many do it, and how fast.
import { check, sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { Counter } from 'k6/metrics';

export const BASE = `${__ENV.GATEWAY}/api/v1`;
export const PASSWORD = __ENV.PASSWORD;
export const PEOPLE = Number(__ENV.PEOPLE || 100);
export const ROOMS = JSON.parse(__ENV.ROOMS || '[]');
export const THINK_SECONDS = Number(__ENV.THINK_SECONDS || 0.5);
const REFRESH_BEFORE_MS = 120 * 1000;
const DAYS = 60;
const FIRST_DAY = Date.UTC(Number(__ENV.FIRST_YEAR || 2035), 0, 4);
const HOUR_MS = 3600 * 1000;
const SIGNED_IN_AT_ONCE = 10;
const REASONS = ['postponed', 'called_off', 'room_change', 'other'];

export const made = new Counter('reservations_made');
export const cancelled = new Counter('reservations_cancelled');
export const rescheduled = new Counter('reservations_rescheduled');
export const conflicts = new Counter('conflicts');

const FREE_OR_TAKEN = http.expectedStatuses(201, 409);
const CHANGED_OR_TAKEN = http.expectedStatuses(200, 409);

// Every person signs in before the clock runs: hashing passwords is measured elsewhere.
export function signEverybodyIn() {
  const people = [];
  for (let first = 0; first < PEOPLE; first += SIGNED_IN_AT_ONCE) {
    const requests = [];
    for (let number = first; number < Math.min(PEOPLE, first + SIGNED_IN_AT_ONCE); number += 1) {
      const body = JSON.stringify({ user_id: `person-${number}`, password: PASSWORD });
      const params = { headers: { 'Content-Type': 'application/json' }, tags: { part: 'setup' }, timeout: '30s' };
      requests.push(['POST', `${BASE}/auth/login`, body, params]);
    }
    for (const answer of http.batch(requests)) {
      if (answer.status !== 200) exec.test.abort(`nobody signs in: ${answer.status} ${answer.body}`);
      people.push(kept(answer));
    }
  }
  return { people };
}

function kept(answer) {
  const session = answer.json();
  return {
    token: session.access_token,
    refresh: session.refresh_token,
    until: Date.now() + session.expires_in * 1000,
  };
}

// One of them: a virtual user keeps its own copy, because what setup returns is shared and read-only.
let me = null;
let mine = [];

export function sit(data) {
  if (me === null) me = { ...data.people[(exec.vu.idInTest - 1) % data.people.length] };
  if (me.until - Date.now() < REFRESH_BEFORE_MS && me.refresh) {
    const params = { headers: { 'Content-Type': 'application/json' }, tags: { name: 'refresh', part: 'visit' } };
    const answer = http.post(`${BASE}/auth/refresh`, JSON.stringify({ refresh_token: me.refresh }), params);
    if (check(answer, { 'refresh is 200': (one) => one.status === 200 })) me = kept(answer);
  }
}

function params(name, more = {}) {
  const headers = { Authorization: `Bearer ${me.token}`, 'Content-Type': 'application/json', ...(more.headers || {}) };
  return { ...more, headers, tags: { name, part: 'visit' } };
}

export function think() {
  if (THINK_SECONDS > 0) sleep(THINK_SECONDS * (0.5 + Math.random()));
}

function anyOf(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function anyDay() {
  // Most look at the near days: the square crowds them.
  return FIRST_DAY + Math.floor(Math.random() ** 2 * DAYS) * 24 * HOUR_MS;
}

function dateOf(day) {
  return new Date(day).toISOString().slice(0, 10);
}

const READS = [
  () => http.get(`${BASE}/reservations/my?limit=50`, params('own list')),
  () => http.get(`${BASE}/rooms?limit=50`, params('rooms')),
  () => http.get(`${BASE}/rooms/${anyOf(ROOMS)}/availability?date=${dateOf(anyDay())}`, params('availability')),
  () => http.get(`${BASE}/reservations?date=${dateOf(anyDay())}&room_id=${anyOf(ROOMS)}`, params('day of a room')),
  () => http.get(`${BASE}/reservations?date=${dateOf(anyDay())}&limit=50`, params('day')),
];

export function read() {
  const answer = anyOf(READS)();
  check(answer, { 'a read is 200': (one) => one.status === 200 });
  return answer;
}

function slot() {
  const starts = anyDay() + (Math.floor(Math.random() * 36) * HOUR_MS) / 2;
  return { starts_at: new Date(starts).toISOString(), ends_at: new Date(starts + HOUR_MS / 2).toISOString() };
}

// Half of the clients are programs that send a key, so that a lost answer can be asked for again.
export function book() {
  const key = Math.random() < 0.5 ? { 'Idempotency-Key': `${exec.vu.idInTest}-${exec.vu.iterationInInstance}-${Math.random()}` } : {};
  const body = JSON.stringify({ room_id: anyOf(ROOMS), title: 'Weekly review', ...slot() });
  const answer = http.post(`${BASE}/reservations`, body, params('book', { headers: key, responseCallback: FREE_OR_TAKEN }));
  check(answer, { 'booking is 201 or 409': (one) => one.status === 201 || one.status === 409 });
  if (answer.status === 409) conflicts.add(1);
  if (answer.status !== 201) return false;
  made.add(1);
  tell('made', answer);
  mine.push({ id: answer.json('id'), etag: answer.headers.Etag });
  return true;
}

function tell(what, answer) {
  const { id, room_id, starts_at, status, version } = answer.json();
  console.log(JSON.stringify({ what, id, room_id, starts_at, status, version }));
}

export function cancel() {
  const one = mine.shift();
  const body = JSON.stringify({ reason: anyOf(REASONS) });
  const answer = http.post(`${BASE}/reservations/${one.id}/cancel`, body, params('cancel'));
  if (!check(answer, { 'cancelling is 200': (got) => got.status === 200 })) return;
  cancelled.add(1);
  tell('cancelled', answer);
}

export function reschedule() {
  const one = mine[mine.length - 1];
  const more = { headers: { 'If-Match': one.etag }, responseCallback: CHANGED_OR_TAKEN };
  const answer = http.patch(`${BASE}/reservations/${one.id}`, JSON.stringify(slot()), params('reschedule', more));
  check(answer, { 'rescheduling is 200 or 409': (got) => got.status === 200 || got.status === 409 });
  if (answer.status === 409) conflicts.add(1);
  if (answer.status !== 200) return;
  one.etag = answer.headers.Etag;
  rescheduled.add(1);
  tell('rescheduled', answer);
}

export function mineCount() {
  return mine.length;
}

// One request, as people are: four of five read.
export function act(chance = Math.random()) {
  if (chance < 0.8) return read();
  if (chance < 0.95 || mineCount() === 0) return book();
  return chance < 0.975 ? cancel() : reschedule();
}

// Everything k6 measured, without what setup returned: those are tokens. The runner draws the table.
export function summary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify({ metrics: data.metrics, state: data.state }) };
}
