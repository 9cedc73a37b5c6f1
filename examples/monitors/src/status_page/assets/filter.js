// Filters processes by text and by kind of state. The URL's fragment contains both, and which details are open.

import { element, say, set } from './dom.js';
import { KINDS, headline } from './text.js';

export class Filter {
  constructor(form, changed) {
    Object.assign(this, { form, changed, open: [], wanted: [], counts: new Map() });
    this.text = form.querySelector('input[type=search]');
    this.shown = form.querySelector('.shown');
    this.buttons = new Map();
    const buttons = form.querySelector('.kinds');
    for (const name of ['all', ...KINDS]) {
      const number = element('span', { class: 'number' });
      const label = `${name[0].toUpperCase()}${name.slice(1)} `;
      const button = element('button', { type: 'button', 'data-kind': name }, label);
      button.append(number);
      button.addEventListener('click', () => this.choose(name));
      this.buttons.set(name, button);
      this.counts.set(name, number);
      buttons.append(button);
    }
    form.addEventListener('submit', (event) => event.preventDefault());
    this.text.addEventListener('input', () => this.set());
    window.addEventListener('hashchange', () => {
      this.read();
      this.changed();
      this.onOpen?.(this.wanted);
    });
    this.read();
  }

  read() {
    const wanted = new URLSearchParams(location.hash.slice(1));
    const state = wanted.get('state');
    this.kind = KINDS.includes(state) ? state : 'all';
    this.wanted = wanted.getAll('open');
    this.open = this.wanted;
    const text = wanted.get('q') ?? '';
    if (this.text.value !== text) this.text.value = text;
    this.press();
  }

  choose(name) {
    this.kind = name;
    this.press();
    this.set();
  }

  press() {
    for (const [name, button] of this.buttons) set(button, { 'aria-pressed': String(name === this.kind) });
    this.words = this.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  }

  set() {
    this.press();
    this.write();
    this.changed();
  }

  set opened(keys) {
    this.open = keys;
    this.write();
  }

  write() {
    const wanted = new URLSearchParams();
    if (this.text.value) wanted.set('q', this.text.value);
    if (this.kind !== 'all') wanted.set('state', this.kind);
    for (const key of this.open) wanted.append('open', key);
    const text = wanted.toString();
    history.replaceState(null, '', text ? `#${text}` : location.pathname + location.search);
  }

  holds(row) {
    return (this.kind === 'all' || row.element.dataset.kind === this.kind) && this.holdsText(row.words);
  }

  holdsText(text) {
    return this.words.every((word) => text.includes(word));
  }

  /** Shows how many processes of each kind there are, and how many of all are visible. */
  tell(processes, shown) {
    const { kinds, total } = headline(processes);
    for (const [name, number] of this.counts) {
      const count = name === 'all' ? total : kinds[name];
      say(number, String(count));
      set(this.buttons.get(name), { 'data-none': count === 0 });
    }
    const all = shown === total;
    say(this.shown, all ? '' : shown === 0 ? 'No process matches' : `${shown} of ${total} shown`);
  }
}
