// What pages do beyond what the server made: how long ago things were, and the live log. Text from the server goes into
// the page as text only.

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

function ago(date) {
  const seconds = (date.getTime() - Date.now()) / 1000;
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ['minute', 60];
  return Math.abs(seconds) < 45 ? 'just now' : relative.format(Math.round(seconds / size), unit);
}

/** Moments of the last days are told by how long ago they were; the exact one stays as a hint. */
function tellTimes(root) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    if (time.closest('.log')) continue;
    const date = new Date(time.dateTime);
    time.title = date.toLocaleString();
    if (Date.now() - date.getTime() < 7 * 86_400_000) time.textContent = ago(date);
  }
}

const most = 2_000;
const tones = ['plain', 'good', 'bad', 'warn', 'stage'];

function lineOf({ atMs, kind, text, tone }) {
  const item = document.createElement('li');
  item.className = tones.includes(tone) ? tone : 'plain';
  const time = document.createElement('time');
  time.dateTime = new Date(atMs).toISOString();
  time.textContent = time.dateTime.slice(11, 19);
  const name = document.createElement('span');
  name.className = 'kind';
  name.textContent = kind;
  const told = document.createElement('span');
  told.className = 'text';
  const isolated = document.createElement('bdi');
  isolated.textContent = text;
  told.append(isolated);
  item.append(time, name, told);
  return item;
}

/** State, stages and numbers come anew from the server, as the page itself does. */
let renewing = false;
async function renew() {
  if (renewing) return;
  renewing = true;
  try {
    const response = await fetch(location.pathname, { headers: { accept: 'text/html' } });
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    const fresh = page.getElementById('now');
    if (fresh) document.getElementById('now')?.replaceWith(fresh);
    tellTimes(document.getElementById('now') ?? document);
  } finally {
    renewing = false;
  }
}

function follow(log) {
  const list = log.querySelector('ol');
  const status = document.getElementById('log-status');
  const tell = (text) => {
    if (status) status.textContent = text;
  };
  const source = new EventSource(log.dataset.stream);
  source.onopen = () => tell('Live');
  source.onerror = () =>
    tell(source.readyState === EventSource.CLOSED ? 'Not live: reload the page for news' : 'Connecting again …');
  source.onmessage = (message) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    const line = JSON.parse(message.data);
    list.append(lineOf(line));
    while (list.childElementCount > most) list.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
    if (line.kind === 'stage' || line.kind === 'run.state' || line.kind === 'model.call') renew();
  };
  source.addEventListener('end', (message) => {
    source.close();
    tell(`Ended: ${JSON.parse(message.data).state}`);
    renew();
  });
}

// What was opened over the page goes by Escape, and the button that opened it has the focus again.
document.addEventListener('keydown', (event) => {
  const open = event.key === 'Escape' ? document.querySelector('.actions details[open]') : null;
  if (!open) return;
  open.open = false;
  open.querySelector('summary').focus();
});

tellTimes(document);
const log = document.querySelector('.log');
if (log) log.scrollTop = log.scrollHeight;
if (log?.dataset.stream) follow(log);
document.getElementById('announce')?.addEventListener('change', (event) => {
  log.setAttribute('aria-live', event.target.checked ? 'polite' : 'off');
});
