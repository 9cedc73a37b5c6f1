// Browser notifications about failed processes, if the user enables them.

import { element, say, set } from './dom.js';
import { kind, readable } from './text.js';

const KEY = 'status-page-notify';

export class Notify {
  constructor() {
    this.failed = null;
    this.button = element('button', { type: 'button', class: 'notify' });
    this.button.addEventListener('click', () => this.turn(!this.on));
    this.show();
  }

  get on() {
    return 'Notification' in window && Notification.permission === 'granted' && remembered() === 'on';
  }

  async turn(on) {
    if (on && Notification.permission === 'default') await Notification.requestPermission();
    remember(on ? 'on' : 'off');
    this.show();
  }

  show() {
    // Browsers allow them only in a secure context.
    const possible = 'Notification' in window && window.isSecureContext;
    this.button.hidden = !possible;
    if (!possible) return;
    const denied = Notification.permission === 'denied';
    set(this.button, { 'aria-pressed': String(this.on), 'aria-disabled': denied });
    say(this.button, denied ? 'Notifications are blocked by the browser' : 'Notify me of failures');
  }

  /** Notifies about processes that have failed since the last call. `boards` is a list of names and processes. */
  tell(boards, system) {
    const failed = new Map();
    for (const [where, processes] of boards) {
      for (const process of processes) {
        if (kind(process) === 'failed') failed.set(`${where} ${process.group}:${process.name}`, process);
      }
    }
    const before = this.failed;
    this.failed = failed;
    if (!before || !this.on) return;
    for (const [key, process] of failed) {
      if (before.has(key)) continue;
      const body = process.spawn_error || process.last_exit?.why || process.description || '';
      const shown = new Notification(`${readable(process.name)} ${process.state}: ${system}`, {
        body: readable(body),
        tag: key,
      });
      shown.addEventListener('click', () => window.focus());
    }
  }
}

function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // Without storage, the choice lasts as long as the page.
  }
}
