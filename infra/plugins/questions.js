'use strict';

// It did its work; its source did not, and the catch-up runs complete the session. Or the record is
// damaged, which no deployment mends and none should have to wait for.
const NOT_OURS = ['IncompleteRun', 'RecordDamaged'];
const JSON_MEDIA = 'application/json';

/** What the on-demand function is asked directly, as IAM lets a deployment do. */
function ask(method, path, body) {
  return { method, path, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
}

/** Questions for every route that the function's own document has, about a deployed ticker. */
function askEveryRoute(document, ticker) {
  const events = [ask('POST', '/predict', { ticker })];
  for (const [path, operations] of Object.entries(document.paths)) {
    if (operations.get) events.push(ask('GET', path.replace('{ticker}', ticker)));
    if (operations.post && path !== '/predict') {
      events.push(ask('POST', path, exampleOf(operations.post, document) ?? { ticker }));
    }
  }
  return events;
}

function exampleOf({ requestBody }, document) {
  const content = requestBody?.content?.[JSON_MEDIA] ?? {};
  const [first] = Object.values(content.examples ?? {});
  return content.example ?? follow(first, document)?.value;
}

function follow(node, document) {
  if (!node?.$ref) return node;
  return node.$ref.split('/').slice(1).reduce((at, step) => at?.[step], document);
}

/** What is wrong with an answer, in words; nothing where nothing is. */
function judge(failed, answer) {
  if (failed) return NOT_OURS.includes(answer.errorType) ? '' : said(answer);
  if (answer.statusCode === undefined || answer.statusCode < 400) return '';
  const { code } = JSON.parse(answer.body);
  const fault = answer.statusCode >= 500 && code !== 'not_published';
  // Whoever invokes directly needs no key and no signature.
  return fault || [401, 403].includes(answer.statusCode) ? said(answer) : '';
}

function said(answer) {
  return `answered ${JSON.stringify(answer).slice(0, 500)}`;
}

module.exports = { NOT_OURS, ask, askEveryRoute, judge };
