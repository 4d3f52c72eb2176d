// Rates that grow step by step until the p95 of a step passes a second, requests fail, or the rate is not reached.
// k6 aborts there; the last step that held is the answer.
import { act, PEOPLE, signEverybodyIn, sit, summary } from './office.js';

const FIRST = Number(__ENV.FIRST_RATE || 100);
const FACTOR = Number(__ENV.FACTOR || 1.5);
const STEPS = Number(__ENV.STEPS || 10);
const SECONDS = Number(__ENV.STEP_SECONDS || 10);

const scenarios = {};
const thresholds = { checks: [{ threshold: 'rate>0.99', abortOnFail: true, delayAbortEval: '5s' }] };
for (let step = 0; step < STEPS; step += 1) {
  const rate = Math.round(FIRST * FACTOR ** step);
  const name = `rate_${rate}`;
  scenarios[name] = {
    executor: 'constant-arrival-rate',
    rate,
    duration: `${SECONDS}s`,
    startTime: `${step * SECONDS}s`,
    preAllocatedVUs: PEOPLE,
    maxVUs: PEOPLE * 4,
    gracefulStop: '2s',
  };
  thresholds[`http_req_duration{scenario:${name}}`] = [{ threshold: 'p(95)<1000', abortOnFail: true }];
  thresholds[`http_req_failed{scenario:${name}}`] = [{ threshold: 'rate<0.01', abortOnFail: true }];
  thresholds[`dropped_iterations{scenario:${name}}`] = [{ threshold: `count<${Math.round(rate * SECONDS * 0.05) + 1}`, abortOnFail: true }];
  thresholds[`http_reqs{scenario:${name}}`] = ['count>=0'];
}

export const options = {
  scenarios,
  thresholds,
  setupTimeout: '180s',
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max', 'count'],
};

export function setup() {
  return signEverybodyIn();
}

export default function request(data) {
  sit(data);
  act();
}

export const handleSummary = summary;
