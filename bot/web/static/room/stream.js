// stream.js: the live line from the server, which mends itself after every break.

const DELAYS_MS = [400, 1000, 2000, 4000, 8000];
const EVENTS = ["message", "toast", "state"];

export class Stream {
  #address;
  #ears;
  #source = null;
  #timer = 0;
  #failures = 0;

  // `ears`: opened(), lost(), and one function for each of the events.
  constructor(address, ears) {
    this.#address = address;
    this.#ears = ears;
  }

  open() {
    this.close();
    const source = new EventSource(this.#address);
    this.#source = source;
    source.onopen = () => this.#ears.opened();
    source.onerror = () => this.retry();
    for (const name of EVENTS) {
      source.addEventListener(name, (event) => this.#ears[name](JSON.parse(event.data)));
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  get live() {
    return this.#source?.readyState === EventSource.OPEN;
  }

  // All is well again: the next break is mended as fast as a first one.
  settle() {
    this.#failures = 0;
  }

  retry() {
    this.close();
    this.#ears.lost();
    const delay = DELAYS_MS[Math.min(this.#failures, DELAYS_MS.length - 1)];
    this.#failures += 1;
    this.#timer = setTimeout(() => this.open(), delay);
  }
}
