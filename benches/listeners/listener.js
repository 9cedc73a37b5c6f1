// A listener that answers OK to every event, for `benches/programs`. The package answers by itself.
const supervisor = require("supervisord-eventlistener");

supervisor.on("event", () => {});
supervisor.listen(process.stdin, process.stdout);
