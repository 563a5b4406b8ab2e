// bench/report/draw.js: plots as SVG, by hand: axes, lines with markers, bars with whiskers, key, tooltips.
'use strict';

const NS = 'http://www.w3.org/2000/svg';
const color = i => `var(--c${i % 8})`;

function el(name, attributes, ...children) {
	const node = ['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'title'].includes(name)
		? document.createElementNS(NS, name) : document.createElement(name);
	for (const [key, value] of Object.entries(attributes || {}))
		if (value !== undefined && value !== null)
			node.setAttribute(key, value);
	for (const child of children.flat())
		if (child !== null && child !== undefined)
			node.append(child);
	return node;
}

// --- numbers for people ---------------------------------------------------------------------------

function short(value, digits = 3) {
	if (!isFinite(value))
		return '-';
	const text = Math.abs(value) >= 100 ? Math.round(value).toString() : value.toPrecision(digits);
	return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function scaled(value, units, step) {
	let unit = 0;
	while (Math.abs(value) >= step * 0.9995 && unit + 1 < units.length) {
		value /= step;
		unit++;
	}
	return short(value) + units[unit];
}

const fmt = {
	ns: v => v === 0 ? '0' : v < 1 ? short(v) + ' ns' : scaled(v, [' ns', ' µs', ' ms', ' s'], 1000),
	us: v => fmt.ns(v * 1000),
	s: v => fmt.ns(v * 1e9),
	bytes: v => scaled(v, [' B', ' KiB', ' MiB', ' GiB', ' TiB'], 1024),
	count: v => scaled(v, ['', ' k', ' M', ' G'], 1000),
	percent: v => short(v * 100) + ' %',
	ratio: v => short(v) + ' ×',
	plain: v => short(v),
};

// --- scales -----------------------------------------------------------------------------------------

function logTicks(low, high) {
	const ticks = [];
	const decades = Math.log10(high / low);
	for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
		for (const m of decades <= 2.2 ? [1, 2, 5] : [1]) {
			const v = m * 10 ** e;
			if (v >= low * 0.999 && v <= high * 1.001)
				ticks.push(v);
		}
	const every = Math.ceil(ticks.length / 8);
	return ticks.length < 3 ? linearTicks(low, high) : ticks.filter((_, i) => i % every === 0);
}

function linearTicks(low, high) {
	const raw = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(raw || 1));
	const step = unit * [1, 2, 2.5, 5, 10].find(m => m * unit >= raw * 0.999);
	const ticks = [];
	for (let v = Math.ceil(low / step) * step; v <= high + step * 1e-6; v += step)
		ticks.push(Math.abs(v) < step * 1e-9 ? 0 : v);
	return ticks;
}

// kind: 'log', 'linear' or 'slots' (values by their place in `slots`)
function makeScale(spec, values, from, to) {
	if (spec.kind === 'slots') {
		const gap = (to - from) / spec.slots.length;
		return {
			at: v => from + gap * (spec.slots.indexOf(v) + 0.5),
			ticks: spec.slots, label: spec.format,
		};
	}
	const good = values.filter(v => isFinite(v) && (spec.kind === 'linear' || v > 0));
	let low = spec.low ?? Math.min(...good), high = spec.high ?? Math.max(...good);
	if (!good.length && spec.low === undefined)
		[low, high] = [1, 10];
	if (spec.kind === 'log') {
		if (spec.low === undefined)
			low = low / 1.25;
		if (spec.high === undefined)
			high = high * 1.25;
		const span = Math.log(high / low) || 1;
		const at = v => from + (to - from) * Math.log(Math.max(v, low) / low) / span;
		return {at, ticks: spec.ticks || logTicks(low, high), label: spec.format};
	}
	if (high === low)
		high = low + 1;
	const at = v => from + (to - from) * (v - low) / (high - low);
	return {at, ticks: spec.ticks || linearTicks(low, high), label: spec.format};
}

// --- marks ------------------------------------------------------------------------------------------

const shapes = [
	r => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
	r => `M${-r},${-r}h${2 * r}v${2 * r}h${-2 * r}z`,
	r => `M0,${-1.25 * r}L${1.2 * r},${r}H${-1.2 * r}z`,
	r => `M0,${-1.35 * r}L${1.35 * r},0L0,${1.35 * r}L${-1.35 * r},0z`,
	r => `M0,${1.25 * r}L${1.2 * r},${-r}H${-1.2 * r}z`,
	r => `M${-r},${-r / 2.5}h${r * 0.6}v${-r * 0.6}h${r * 0.8}v${r * 0.6}h${r * 0.6}v${r * 0.8}h${-r * 0.6}v${r * 0.6}h${-r * 0.8}v${-r * 0.6}h${-r * 0.6}z`,
];

function marker(style, x, y, tip) {
	return el('path', {
		d: shapes[style.shape % shapes.length](4), transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
		fill: style.hollow ? 'var(--card)' : color(style.color), stroke: color(style.color), 'stroke-width': 1.6,
		'data-tip': tip,
	});
}

function keyOf(series) {
	return el('div', {class: 'key'}, series.map(s => el('span', {},
		el('svg', {viewBox: '0 0 26 12', 'aria-hidden': 'true'},
			el('line', {x1: 0, x2: 26, y1: 6, y2: 6, stroke: color(s.style.color), 'stroke-width': 2, 'stroke-dasharray': s.style.dash}),
			marker(s.style, 13, 6)),
		s.name)));
}

function axes(svg, box, x, y, spec) {
	for (const v of y.ticks) {
		const at = y.at(v);
		svg.append(el('line', {class: 'grid', x1: box.left, x2: box.right, y1: at, y2: at}),
			el('text', {x: box.left - 8, y: at + 4, 'text-anchor': 'end'}, y.label(v)));
	}
	for (const v of x.ticks) {
		const at = x.at(v);
		svg.append(el('line', {class: 'axis', x1: at, x2: at, y1: box.bottom, y2: box.bottom + 4}),
			el('text', {x: at, y: box.bottom + 18, 'text-anchor': 'middle'}, x.label(v)));
	}
	svg.append(el('line', {class: 'axis', x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom}),
		el('text', {x: (box.left + box.right) / 2, y: box.bottom + 36, 'text-anchor': 'middle'}, spec.x.title),
		el('text', {x: box.left, y: box.top - 10, 'text-anchor': 'start'}, spec.y.title));
}

// spec: {x, y: {kind, title, format, ...}, series: [{name, style, points: [{x, y, low, high, tip}]}], height}
function plot(spec) {
	const width = spec.wide ? 1100 : 520, height = spec.height || 300;
	const box = {left: 66, right: width - 14, top: 26, bottom: height - 44};
	const svg = el('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spec.title});
	const all = spec.series.flatMap(s => s.points);
	const x = makeScale(spec.x, all.map(p => p.x), box.left + 10, box.right - 10);
	const y = makeScale(spec.y, all.flatMap(p => [p.y, p.low ?? p.y, p.high ?? p.y]), box.bottom, box.top);
	axes(svg, box, x, y, spec);
	for (const s of spec.series) {
		const points = s.points.filter(p => isFinite(p.y) && (spec.y.kind !== 'log' || p.y > 0));
		if (points.length > 1 && !s.loose)
			svg.append(el('path', {
				d: 'M' + points.map(p => `${x.at(p.x).toFixed(1)},${y.at(p.y).toFixed(1)}`).join('L'),
				fill: 'none', stroke: color(s.style.color), 'stroke-width': 2, 'stroke-linejoin': 'round',
				'stroke-dasharray': s.style.dash,
			}));
		for (const p of points) {
			if (p.low !== undefined && p.high > p.low)
				svg.append(el('line', {x1: x.at(p.x), x2: x.at(p.x), y1: y.at(p.low), y2: y.at(p.high), stroke: color(s.style.color), 'stroke-width': 1.4}));
			svg.append(marker(s.style, x.at(p.x), y.at(p.y), `${s.name}\n${p.tip || spec.x.format(p.x) + ': ' + spec.y.format(p.y)}`));
		}
	}
	return el('div', {}, spec.series.length > 1 ? keyOf(spec.series) : null, svg);
}

// Horizontal bars: rows {name, value, low, high, tip, style, message}
function bars(spec) {
	const width = 520, row = 24, left = spec.left || 132;
	const height = spec.rows.length * row + 50, box = {left, right: width - 74, top: 8, bottom: height - 40};
	const svg = el('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': spec.title});
	const values = spec.rows.flatMap(r => [r.value, r.high ?? r.value]).filter(v => v > 0);
	const x = makeScale({...spec.x, low: spec.x.kind === 'linear' ? 0 : undefined}, values, box.left, box.right);
	for (const v of x.ticks)
		svg.append(el('line', {class: 'grid', x1: x.at(v), x2: x.at(v), y1: box.top, y2: box.bottom}),
			el('text', {x: x.at(v), y: box.bottom + 16, 'text-anchor': 'middle'}, spec.x.format(v)));
	spec.rows.forEach((r, i) => {
		const y = box.top + i * row;
		svg.append(el('text', {class: 'ink', x: left - 8, y: y + 16, 'text-anchor': 'end'}, r.name));
		if (!(r.value > 0)) {
			svg.append(el('text', {x: left + 6, y: y + 16}, r.message || 'none'));
			return;
		}
		svg.append(el('rect', {x: box.left, y: y + 4, width: Math.max(1, x.at(r.value) - box.left), height: row - 9, rx: 2, fill: color(r.style), opacity: 0.85, 'data-tip': r.tip}));
		if (r.high > r.low)
			svg.append(el('line', {x1: x.at(r.low), x2: x.at(r.high), y1: y + row / 2 - 0.5, y2: y + row / 2 - 0.5, stroke: 'var(--ink)', 'stroke-width': 1.4}));
		svg.append(el('text', {class: 'ink', x: x.at(Math.max(r.value, r.high || 0)) + 6, y: y + 16}, spec.x.format(r.value)));
	});
	svg.append(el('text', {x: (box.left + box.right) / 2, y: height - 6, 'text-anchor': 'middle'}, spec.x.title));
	return svg;
}

function table(head, rows) {
	return el('div', {class: 'scroll'}, el('table', {},
		el('thead', {}, el('tr', {}, head.map(h => el('th', {}, h)))),
		el('tbody', {}, rows.map(row => el('tr', {}, row.map(cell =>
			typeof cell === 'object' && cell !== null ? el('td', cell.attributes, cell.text) : el('td', {}, cell)))))));
}

// shows, not: one sentence each.
function figure(title, drawn, shows, not, wide) {
	return el('figure', wide ? {class: 'wide'} : {}, el('h3', {}, title), drawn,
		el('figcaption', {}, el('b', {}, 'Shows '), shows, ' ', el('b', {}, 'Does not show '), not));
}

function tooltips() {
	const tip = document.body.appendChild(el('div', {id: 'tip'}));
	document.addEventListener('pointermove', event => {
		const text = event.target.dataset ? event.target.dataset.tip : null;
		tip.style.display = text ? 'block' : 'none';
		if (!text)
			return;
		tip.textContent = text;
		const right = event.clientX + 14 + tip.offsetWidth > innerWidth;
		tip.style.left = (right ? event.clientX - tip.offsetWidth - 12 : event.clientX + 14) + 'px';
		tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 6) + 'px';
	});
}
