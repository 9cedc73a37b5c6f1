// The ends of a process's logs, which follow new output.

import { element, say } from './dom.js';
import { beside, encoded, fullName, plain, readable } from './text.js';

const PAUSE = 1_000;

/** How much text is kept on the page, in characters. */
const KEPT = 256 * 1024;

/** The logs of one process. Requests nothing before it is opened or after it is closed. */
export class Logs {
  constructor(process) {
    this.process = process;
    const streams = ['stdout', 'stderr'].filter((stream) => process[`has_${stream}`]);
    // Error messages are more likely to be there.
    this.stream = streams.includes('stderr') && process.state !== 'RUNNING' ? 'stderr' : streams[0];
    this.element = element('section', { class: 'logs' });
    if (!this.stream) {
      this.element.append(element('p', { class: 'muted' }, 'supervisord keeps no log of this process.'));
      return;
    }
    const name = readable(fullName(process));
    this.tabs = new Map(streams.map((stream) => [stream, this.tab(stream)]));
    this.follow = element('input', { type: 'checkbox', checked: true });
    this.follow.addEventListener('change', () => this.follow.checked && this.toEnd());
    this.note = element('span', { class: 'note' });
    this.text = element('pre', { tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': `Log of ${name}` });
    const kinds = element('span', { class: 'tabs', role: 'group', 'aria-label': `Which log of ${name}` });
    kinds.append(...this.tabs.values());
    this.head = element('div', { class: 'loghead' }, kinds, this.note);
    this.head.append(element('label', { class: 'follow' }, this.follow, 'Follow'));
    this.element.append(this.head, this.text);
    this.choose(this.stream);
  }

  tab(stream) {
    const button = element('button', { type: 'button' }, stream);
    button.addEventListener('click', () => this.choose(stream));
    return button;
  }

  choose(stream) {
    this.stream = stream;
    this.offset = null;
    this.text.replaceChildren();
    this.length = 0;
    for (const [name, tab] of this.tabs) tab.setAttribute('aria-pressed', String(name === stream));
    if (this.timer !== undefined) this.open();
  }

  open() {
    if (!this.stream) return;
    this.close();
    this.timer = 0;
    this.ask();
  }

  close() {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.round = (this.round ?? 0) + 1;
  }

  async ask() {
    const { round, stream } = this;
    if (!document.hidden || this.offset === null) {
      const query = new URLSearchParams({ stream });
      if (this.offset !== null) query.set('offset', this.offset);
      try {
        const answer = await fetch(beside(`logs/${encoded(this.process)}?${query}`), { cache: 'no-store' });
        const said = await answer.json();
        if (round !== this.round) return;
        if (answer.ok) this.show(said);
        else say(this.note, said.error ?? `HTTP status ${answer.status}`);
      } catch {
        if (round !== this.round) return;
        say(this.note, 'no answer from the monitor');
      }
    }
    this.timer = setTimeout(() => this.ask(), PAUSE);
  }

  show({ text, offset, overflow }) {
    const isFirst = this.offset === null;
    if (!isFirst && offset < this.offset) {
      this.text.replaceChildren();
      this.length = 0;
    } else if (!isFirst && overflow) {
      this.append('\n… more was written than is shown …\n');
    }
    this.offset = offset;
    this.append(plain(text));
    say(this.note, this.length === 0 ? 'nothing written yet' : '');
  }

  append(text) {
    if (text === '') return;
    const { scrollTop, scrollHeight, clientHeight } = this.text;
    const atEnd = scrollHeight - scrollTop - clientHeight < 8 || this.length === 0;
    this.text.append(text);
    this.length += text.length;
    while (this.length > KEPT && this.text.childNodes.length > 1) {
      this.length -= this.text.firstChild.data.length;
      this.text.firstChild.remove();
    }
    if (this.follow.checked && atEnd) this.toEnd();
  }

  toEnd() {
    this.text.scrollTop = this.text.scrollHeight;
  }
}
