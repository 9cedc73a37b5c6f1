// Starting and stopping: buttons, confirmation of drastic actions, and the outcome, shown beside the button.

import { element, say } from './dom.js';
import { beside, duration } from './text.js';

const DOING = { start: 'Starting…', stop: 'Stopping…', restart: 'Restarting…', 'clear-log': 'Clearing…' };
export const LABELS = { start: 'Start', stop: 'Stop', restart: 'Restart', 'clear-log': 'Clear logs' };

/** The pause between two requests about a running action. */
const PAUSE = 500;

/** After this time, the outcome is no longer awaited. */
const PATIENCE = 120_000;

/** How long success is displayed. A failure is displayed until the next action. */
const SHOWN = 8_000;

/**
 * Buttons that act on one thing, and the place for what became of it.
 *
 * `path` says where requests go, and may be a function; `body()` is what they say; `ask(action)` is a question to ask
 * before, or null.
 */
export class Actions {
  constructor({ path, of, body = () => ({}), ask = () => null, done = () => {} }) {
    Object.assign(this, { of, body, ask, done });
    this.path = typeof path === 'function' ? path : () => path;
    this.result = element('span', { class: 'result' });
    this.buttons = new Map();
    this.element = element('span', { class: 'actions' });
    this.offered = '';
  }

  /** Offers only these actions. */
  offer(actions) {
    if (this.offered === actions.join() || this.busy) return;
    this.offered = actions.join();
    const focused = this.element.contains(document.activeElement);
    this.element.replaceChildren(...actions.map((action) => this.button(action)), this.result);
    if (focused) (this.element.querySelector('button') ?? document.body).focus({ preventScroll: true });
  }

  button(action) {
    let button = this.buttons.get(action);
    if (!button) {
      button = element('button', { type: 'button', class: `do ${action}` }, LABELS[action]);
      // A screen reader announces buttons one by one, so the action alone is not enough.
      button.setAttribute('aria-label', `${LABELS[action]} ${this.of}`);
      button.addEventListener('click', () => this.act(action, button));
      this.buttons.set(action, button);
    }
    return button;
  }

  async act(action, button) {
    if (this.busy) return;
    const [path, body, question] = [this.path(), this.body(), this.ask(action)];
    if (question && !(await confirmed(question, `${LABELS[action]}`))) return;
    this.busy = true;
    clearTimeout(this.forget);
    // Not `disabled`, which would lose the focus.
    for (const other of this.buttons.values()) other.setAttribute('aria-disabled', 'true');
    button.textContent = DOING[action];
    this.tell('', '');
    const begin = Date.now();
    const waiting = setInterval(() => this.tell(`for ${duration((Date.now() - begin) / 1000)}`, ''), 3000);
    const { ok, text } = await request(`${path}/${action}`, body);
    clearInterval(waiting);
    this.busy = false;
    for (const other of this.buttons.values()) other.removeAttribute('aria-disabled');
    button.textContent = LABELS[action];
    this.tell(text, ok ? 'good' : 'bad');
    document.getElementById('said').textContent = `${this.of}: ${text}`;
    if (ok) this.forget = setTimeout(() => this.tell('', ''), SHOWN);
    this.done();
  }

  tell(text, how) {
    say(this.result, text);
    this.result.dataset.how = how;
  }
}

/** Asks the server to act, and waits for the outcome. */
async function request(path, body) {
  const headers = { 'Content-Type': 'application/json', 'X-Requested-With': 'status-page' };
  const begin = Date.now();
  try {
    let answer = await fetch(beside(path), { method: 'POST', headers, body: JSON.stringify(body), cache: 'no-store' });
    let said = await content(answer);
    while (answer.status === 202) {
      if (Date.now() - begin > PATIENCE) return { ok: false, text: 'the outcome is unknown' };
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
      answer = await fetch(beside(`actions/${said.id}`), { cache: 'no-store' });
      said = await content(answer);
    }
    return { ok: answer.ok, text: said.message ?? said.error ?? `HTTP status ${answer.status}` };
  } catch (error) {
    return { ok: false, text: `no answer from the monitor: ${error.message}` };
  }
}

/** The content of an answer. A refusal may be plain text. */
async function content(answer) {
  const isJson = answer.headers.get('Content-Type') === 'application/json';
  return isJson ? answer.json() : { error: (await answer.text()).trim() };
}

/** Asks for confirmation. */
function confirmed(question, label) {
  const dialog = document.getElementById('question');
  say(dialog.querySelector('p'), question);
  const [no, yes] = dialog.querySelectorAll('button');
  say(yes, label);
  no.onclick = () => dialog.close('no');
  yes.onclick = () => dialog.close('yes');
  dialog.returnValue = 'no';
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => resolve(dialog.returnValue === 'yes'), { once: true });
  });
}
