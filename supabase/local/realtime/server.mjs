export function createRealtime() {
  return { upgrade: (q, s) => s.destroy(), broadcast() {}, delaySystem() {}, drop: () => 0, async stop() {} };
}
