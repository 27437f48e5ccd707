// Opens a page in headless Chromium over its debugging pipe, runs expressions in it one after the
// other, and prints their values and everything that the page tried and was refused, as JSON.
//   node browser.js PAGE SCREENSHOT|- scripts|no-scripts EXPRESSION...
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

const [page, screenshot, scripts, ...expressions] = process.argv.slice(2);
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'ion-browser-'));
const browser = spawn('chromium', [
  '--headless', '--disable-gpu', '--disable-dev-shm-usage', '--remote-debugging-pipe',
  '--window-size=1200,1600', `--user-data-dir=${profile}`,
  // Chromium refuses its own sandbox to root, as whom tests in containers run.
  ...(process.getuid() === 0 ? ['--no-sandbox'] : []), 'about:blank',
], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });

let next = 0, rest = '';
const waiting = new Map(), refused = [], requested = [];
let loaded;
const isLoaded = new Promise(resolve => { loaded = resolve; });
browser.stdio[4].on('data', data => {
  const parts = (rest + data).split('\0');
  rest = parts.pop();
  for (const part of parts) {
    const message = JSON.parse(part);
    if (message.id) waiting.get(message.id)(message);
    if (message.method === 'Page.loadEventFired') loaded();
    if (message.method === 'Log.entryAdded') refused.push(message.params.entry.text);
    if (message.method === 'Network.requestWillBeSent') requested.push(message.params.request.url);
  }
});
const call = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
  waiting.set(++next, message => message.error ? reject(new Error(method + ': ' + message.error.message)) : resolve(message.result));
  browser.stdio[3].write(JSON.stringify({ id: next, method, params, sessionId }) + '\0');
});

(async () => {
  const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
  const ask = (method, params) => call(method, params, sessionId);
  for (const domain of ['Page', 'Log', 'Network', 'Runtime']) await ask(domain + '.enable');
  if (scripts === 'no-scripts') await ask('Emulation.setScriptExecutionDisabled', { value: true });
  await ask('Page.navigate', { url: 'file://' + path.resolve(page) });
  await isLoaded;
  const values = [];
  for (const expression of expressions) {
    const { result, exceptionDetails } = await ask('Runtime.evaluate', { expression, returnByValue: true });
    values.push(exceptionDetails ? { error: exceptionDetails.text } : result.value ?? null);
  }
  if (screenshot !== '-') {
    const { data } = await ask('Page.captureScreenshot', { format: 'png' });
    fs.writeFileSync(screenshot, Buffer.from(data, 'base64'));
  }
  console.log(JSON.stringify({ values, refused, requested }));
})().catch(error => { console.error(error.message); process.exitCode = 1; }).finally(() => {
  // Its children write to the profile for a moment after it ended.
  browser.once('exit', () => fs.rmSync(profile, { recursive: true, force: true, maxRetries: 50, retryDelay: 100 }));
  call('Browser.close').catch(() => browser.kill('SIGKILL'));
});
