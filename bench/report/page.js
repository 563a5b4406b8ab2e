// bench/report/page.js: what each kind of result becomes on the page. Figures are made from the results
// embedded in this file and from nothing else.
'use strict';

const get = (value, path) => path.split('.').reduce((v, k) => v === undefined || v === null ? undefined : v[k], value);
const styles = {
	'minor sigbus': {color: 0, shape: 0}, 'minor thread': {color: 5, shape: 3},
	'copy thread': {color: 1, shape: 1}, 'copy sigbus': {color: 4, shape: 5, dash: '6 3'},
	'stw': {color: 2, shape: 2}, 'none': {color: 6, shape: 4, dash: '2 3'},
};
const style = (name, i) => styles[name] || {color: i, shape: i};
const runName = run => (run.plan + ' ' + (run.delivery || '')).trim();
const shown = name => name === 'none' ? 'malloc' : name;
const unique = list => [...new Set(list)];

const percentiles = [['p50', '50 %'], ['p90', '90 %'], ['p99', '99 %'], ['p999', '99.9 %'], ['p9999', '99.99 %'], ['max', 'max']];

// A value that a sample is too small to know is left out: p99.9 of 40 pauses is their maximum again.
function curve(summary) {
	const needs = {p50: 2, p90: 10, p99: 100, p999: 1000, p9999: 10000, max: 1};
	return percentiles.filter(([key]) => summary.count >= needs[key]).map(([key, label]) => ({x: label, y: summary[key], tip: `${label}: ${fmt.us(summary[key])} (of ${fmt.count(summary.count)})`}));
}

function percentilePlot(title, runs, field, nameOf = runName) {
	const series = runs.filter(r => get(r, field + '.count') > 0).map((r, i) => ({
		name: shown(nameOf(r)), style: style(nameOf(r), i), points: curve(r[field]),
	}));
	return series.length === 0 ? null : plot({
		title, series,
		x: {kind: 'slots', slots: percentiles.map(p => p[1]), format: v => v, title: 'percentile'},
		y: {kind: 'log', format: fmt.us, title: 'time, log scale'},
	});
}

// --- gc_pause ---------------------------------------------------------------------------------------

// How far the lowest and the highest of several rounds lie from the median; empty for a single round.
function spread(run, path) {
	const value = get(run, path), [low, high] = (run.spread || {})[path] || [];
	return value > 0 && run.rounds > 1 && high > 0 ? `−${short(100 * (1 - low / value))} +${short(100 * (high / value - 1))} %` : '';
}

function pauseTable(runs) {
	const rows = [
		['operations/s', 'ops_per_second', fmt.count], ['cycles', 'cycles', fmt.count],
		['pause p50', 'pause_us.p50', fmt.us], ['pause p99', 'pause_us.p99', fmt.us], ['pause max', 'pause_us.max', fmt.us],
		['flip p50', 'flip_us.p50', fmt.us],
		['operation p50', 'op_us.p50', fmt.us], ['operation p99.9', 'op_us.p999', fmt.us],
		['operation p99.99', 'op_us.p9999', fmt.us], ['operation max', 'op_us.max', fmt.us],
		['arrival wait p99.9', 'arrival_us.p999', fmt.us], ['utilisation in 5 ms', 'mmu.5ms', fmt.percent],
		['faults', 'fault_us.count', fmt.count], ['fault p50', 'fault_us.p50', fmt.us], ['fault p99', 'fault_us.p99', fmt.us],
		['pages continued', 'continued_pages', fmt.count], ['pages copied', 'copied_pages', fmt.count],
		['evacuated', 'evacuated_bytes', fmt.bytes], ['allocation stalls', 'stalls', fmt.count], ['allocations paced', 'paced', fmt.count],
		['PSS peak', 'pss_peak_bytes', fmt.bytes], ['CPU', 'cpu_seconds', fmt.s], ['machine hiccup p99', 'hiccup_us.p99', fmt.us],
	];
	const rounds = ['ops_per_second', 'pause_us.p50'].map(path => [`${path === 'ops_per_second' ? 'operations/s' : 'pause p50'}, its rounds`].concat(runs.map(r => spread(r, path) || '-')));
	return table([''].concat(runs.map(r => shown(runName(r)))), rounds.concat(rows.map(([label, path, format]) => [label].concat(runs.map(r => {
		const value = get(r, path), none = r.plan === 'none' && !/^(op|arr|util|PSS|CPU|mach)/.test(label);
		const empty = /_us\./.test(path) && !(get(r, path.split('.')[0] + '.count') > 0);
		return r.status !== 'ok' || none || empty || value === undefined ? '-' : format(value);
	})))));
}

function gcPause(data, out) {
	const runs = data.runs.filter(r => !r.sweep);
	for (const workload of unique(runs.map(r => r.workload))) {
		const all = runs.filter(r => r.workload === workload), good = all.filter(r => r.status === 'ok');
		out.append(el('h2', {id: 'pause-' + workload}, `Pauses and operations: ${workload}`));
		for (const r of all.filter(r => r.status !== 'ok'))
			out.append(el('p', {class: r.status === 'unavailable' ? 'note' : 'failed'}, `${runName(r)}: ${r.status}: ${r.message}`));
		if (good.length === 0)
			continue;
		const first = good[0];
		out.append(el('p', {class: 'where'}, `${first.threads} thread${first.threads === 1 ? '' : 's'}, heap ${fmt.bytes(first.heap_bytes)}, ${fmt.bytes(first.live_bytes)} alive, ${short(first.seconds)} s per run; machine's own hiccup p99 ${fmt.us(get(first, 'hiccup_us.p99') || 0)}.`));
		const grid = out.appendChild(el('div', {class: 'figures'}));
		const add = (title, drawn, shows, not) => drawn && grid.append(figure(title, drawn, shows, not));
		add('Pauses', percentilePlot('pauses', good, 'pause_us'),
			'how long all mutators stood still, from the request of a stop until they ran again.',
			'what threads lose outside of pauses; and a percentile that too few pauses were made for is left out.');
		add('Operations', percentilePlot('operations', good, 'op_us'),
			'every single operation of the mutators, end to end.',
			'whose fault a long one was: malloc\'s curve is the floor that machine and workload set.');
		add('Arrivals', percentilePlot('arrivals', good, 'arrival_us'),
			'what a request waits that arrives at a random instant, so that a stall counts by its length.',
			'queues: each request is alone.');
		add('Early touches', percentilePlot('faults', good, 'fault_us'),
			'a page touched before it was back: from delivery of the fault until its page was attached.',
			'the kernel\'s way into and out of the fault (see the bare round trips in the file).');
		const windows = [['1ms', 1], ['5ms', 5], ['20ms', 20]];
		add('Utilisation', plot({
			title: 'utilisation', series: good.map((r, i) => ({
				name: shown(runName(r)), style: style(runName(r), i),
				points: windows.map(([key, ms]) => ({x: ms, y: r.mmu[key]})),
			})),
			x: {kind: 'log', ticks: [1, 5, 20], low: 0.8, high: 25, format: v => v + ' ms', title: 'window, log scale'},
			y: {kind: 'linear', low: 0, high: 1, format: fmt.percent, title: 'the thread\'s own share, at worst'},
		}), 'the least share of any window that a thread had for its own work (minimum mutator utilisation).',
			'how often that happened: it is the one worst window.');
		out.append(pauseTable(good));
	}
	sweep(data, out);
}

const sweeps = {
	heap: ['Heap size', {kind: 'log', format: fmt.bytes, title: 'heap, half of it alive'}],
	threads: ['Threads', {kind: 'log', format: fmt.plain, title: 'mutator threads'}],
	handles: ['Handles', {kind: 'slots', format: fmt.count, title: 'handles'}],
	range_slots: ['Slots of root ranges', {kind: 'slots', format: fmt.count, title: 'slots'}],
	live: ['Live share', {kind: 'linear', format: fmt.percent, title: 'live share of the heap'}],
	update_ratio: ['Update ratio', {kind: 'linear', format: fmt.percent, title: 'operations that replace something'}],
};

function sweepSeries(runs, fields, plans) {
	return plans.flatMap((plan, p) => fields.map(([field, label], f) => ({
		name: plans.length > 1 ? `${plan}, ${label}` : label,
		style: {color: f + 3 * p, shape: f + 3 * p, dash: p ? '5 3' : undefined},
		points: runs.filter(r => r.plan === plan && get(r, field) > 0).map(r => ({x: r.sweep_value, y: get(r, field)})),
	})).filter(s => s.points.length > 0));
}

function sweep(data, out) {
	const runs = data.runs.filter(r => r.sweep && r.status === 'ok');
	if (data.runs.every(r => !r.sweep))
		return;
	out.append(el('h2', {id: 'sweep'}, 'What pauses and operations depend on'),
		el('p', {class: 'where'}, 'Workload cache; one thing varied at a time; each point measured once.'));
	const grid = out.appendChild(el('div', {class: 'figures'}));
	for (const [axis, [title, x]] of Object.entries(sweeps)) {
		const here = runs.filter(r => r.sweep === axis).sort((a, b) => a.sweep_value - b.sweep_value);
		if (here.length === 0)
			continue;
		const plans = unique(here.map(r => r.plan));
		const values = unique(here.map(r => r.sweep_value)).sort((a, b) => a - b);
		const scale = {...x, slots: values, ticks: x.kind === 'log' ? values : undefined};
		const draw = fields => plot({title, x: scale, y: {kind: 'log', format: fmt.us, title: 'time, log scale'}, series: sweepSeries(here, fields, plans)});
		if (here.some(r => r.pause_us.count > 0))
			grid.append(figure(`${title}: pauses`, draw([['pause_us.p50', 'median'], ['pause_us.p99', '99 %'], ['pause_us.max', 'max']]),
				`how pauses change with ${scale.title}; a flat line means that they do not.`,
				'spread: neighbouring points may differ by what else the machine did.'));
		grid.append(figure(`${title}: operations and arrivals`, draw([['op_us.p9999', 'operation 99.99 %'], ['arrival_us.p999', 'arrival 99.9 %']]),
			'what mutators felt in the same runs, pauses included.', 'which part of it was the collector\'s.'));
	}
	const failed = data.runs.filter(r => r.sweep && r.status !== 'ok');
	for (const r of failed)
		out.append(el('p', {class: 'failed'}, `${r.sweep} ${short(r.sweep_value)}, ${r.plan}: ${r.message}`));
}

// --- uffd_ops ---------------------------------------------------------------------------------------

function uffdOps(data, out) {
	const good = data.results.filter(r => r.status === 'ok');
	const label = r => r.name.replaceAll('_', ' ') + (r.variant ? ' (' + r.variant + ')' : '');
	out.append(el('h2', {id: 'primitives'}, 'Page by page: what the kernel asks for each primitive'),
		el('p', {class: 'where'}, `Pages of ${fmt.bytes(data.page_bytes)}, ${fmt.count(data.pages)} a round, ${data.rounds} rounds; medians, whiskers from the least to the largest round.`));
	const grid = out.appendChild(el('div', {class: 'figures'}));
	const groups = [
		['Bringing a page', /^(memcpy|uffd_copy|uffd_continue|uffd_move|uffd_zeropage)/],
		['Taking pages away', /(zap|dontneed|detach|punch)/],
		['Faults and populating', /(fault|populate|round_trip|sigbus|mprotect)/],
	];
	for (const [title, pattern] of groups) {
		const here = good.filter(r => pattern.test(r.name) && r.page_bytes === data.page_bytes);
		const names = unique(here.map(label));
		const series = names.map((name, i) => ({
			name, style: {color: i, shape: i % 6, dash: i > 7 ? '5 3' : undefined},
			points: here.filter(r => label(r) === name).sort((a, b) => a.batch - b.batch).map(r => ({
				x: r.batch, y: r.ns_per_page.p50, low: r.ns_per_page.min, high: r.ns_per_page.max,
				tip: `${r.batch} pages a call: ${fmt.ns(r.ns_per_page.p50)} a page (${fmt.ns(r.ns_per_page.min)} to ${fmt.ns(r.ns_per_page.max)})`,
			})),
		})).slice(0, 12);
		if (series.length)
			grid.append(figure(title, plot({
				title, series, height: 320, x: {kind: 'log', format: fmt.count, title: 'pages in one call or run, log scale'},
				y: {kind: 'log', format: fmt.ns, title: 'time per page, log scale'},
			}), 'what one page costs, by how many are done at once.', 'contention: nobody else uses the address space meanwhile, unless the name says so.'));
	}
	derived(data, out);
	out.append(primitivesTable(data));
}

function primitivesTable(data) {
	const keys = unique(data.results.map(r => r.name + '|' + (r.variant || '')));
	const usual = data.results.filter(r => r.status === 'ok').map(r => r.batch);
	const batches = unique(usual).filter(b => usual.filter(u => u === b).length > 4).sort((a, b) => a - b);
	return table(['median time per page, by pages in one call'].concat(batches.map(b => fmt.count(b)), 'spread'), keys.map(key => {
		const all = data.results.filter(r => r.name + '|' + (r.variant || '') === key), good = all.filter(r => r.status === 'ok');
		const name = key.replace('|', ' ').replaceAll('_', ' ');
		if (good.length === 0)
			return [name, {text: `${all[0].status}: ${all[0].why}`, attributes: {class: 'absent', colspan: batches.length + 1}}];
		return [name].concat(batches.map(b => {
			const r = good.find(g => g.batch === b);
			return r ? fmt.ns(r.ns_per_page.p50) : '';
		}), `up to +${short(100 * Math.max(...good.map(r => r.ns_per_page.p90 / r.ns_per_page.p50 - 1)))} %`);
	}));
}

const methodStyles = {continue: {color: 0, shape: 0}, detach: {color: 5, shape: 3}, copy: {color: 1, shape: 1}, move: {color: 3, shape: 3}, zap: {color: 2, shape: 2}, mprotect: {color: 4, shape: 4}, in_pause: {color: 6, shape: 5, dash: '3 3'}};

function derived(data, out) {
	if (!(data.derived || []).length)
		return;
	out.append(el('h2', {id: 'crossover'}, 'CONTINUE against COPY: who is cheaper, and when'),
		el('p', {class: 'where'}, 'Added up from the medians above: the cost of making some dirty pages of a heap consistent, by each method.'));
	const grid = out.appendChild(el('div', {class: 'figures'}));
	const largest = Math.max(...data.derived.map(d => d.heap_pages));
	for (const layout of unique(data.derived.map(d => d.layout)))
		for (const [field, title, not] of [
			['total_ns', 'all the work', 'how much of it stops the program.'],
			['pause_ns', 'while the program stands still', 'the work that follows beside the program.']]) {
			const here = data.derived.filter(d => d.layout === layout && d.heap_pages === largest);
			grid.append(figure(`Dirty pages ${layout}: ${title}`, plot({
				title: layout, height: 320,
				series: unique(here.map(d => d.method)).map((method, i) => ({
					name: method.replace('_', ' '), style: methodStyles[method] || style(method, i),
					points: here.filter(d => d.method === method).sort((a, b) => a.dirty_pages - b.dirty_pages).map(d => ({x: d.dirty_pages, y: d[field], tip: `${fmt.count(d.dirty_pages)} dirty pages: ${fmt.ns(d[field])}`})),
				})),
				x: {kind: 'log', format: fmt.count, title: `dirty pages of a heap of ${fmt.bytes(largest * data.page_bytes)}, log scale`},
				y: {kind: 'log', format: fmt.ns, title: 'time, log scale'},
			}), `where the lines cross, and so when which method is the cheaper one, dirty pages being ${layout}.`, not));
		}
	if ((data.crossovers || []).length)
		out.append(table(['dirty pages lie', 'heap', 'from', 'cheapest is', 'instead of'].map(t => t), data.crossovers.map(c =>
			[c.layout, fmt.bytes(c.heap_pages * data.page_bytes), fmt.count(c.dirty_pages) + ' dirty pages', c.method.replace('_', ' '), c.instead_of.replace('_', ' ')])));
}

// --- compaction -------------------------------------------------------------------------------------

function compaction(data, out) {
	const good = data.results.filter(r => r.status === 'ok');
	const name = r => (r.plan + ' ' + (r.delivery || '')).trim() + (r.mutator ? ', mutator' : '');
	out.append(el('h2', {id: 'compaction'}, 'Cycle by cycle: one heap image compacted by each plan'));
	const grid = out.appendChild(el('div', {class: 'figures'}));
	const axis = {
		live: ['live_fraction', {kind: 'linear', format: fmt.percent, title: 'live share'}],
		dirty: ['dirty_fraction', {kind: 'linear', format: fmt.percent, title: 'dirty share of pages'}],
		heap: ['heap_bytes', {kind: 'log', format: fmt.bytes, title: 'heap'}],
	};
	for (const [which, [field, x]] of Object.entries(axis)) {
		const here = good.filter(r => r.sweep === which);
		if (here.length === 0)
			continue;
		const values = unique(here.map(r => r[field])).sort((a, b) => a - b);
		for (const [what, title, scale] of [['seconds', 'time of the cycle', fmt.s], ['pause_us_max', 'longest pause', fmt.us], ['cpu_seconds', 'CPU', fmt.s]])
			grid.append(figure(`${title} over ${x.title}`, plot({
				title, x: {...x, ticks: values}, y: {kind: 'log', format: scale, title: `${title}, log scale`},
				series: unique(here.map(name)).map((n, i) => ({
					name: n, style: {...style(n.replace(', mutator', ''), i), hollow: n.includes('mutator'), dash: n.includes('mutator') ? '5 3' : undefined},
					points: here.filter(r => name(r) === n).sort((a, b) => a[field] - b[field]).map(r => ({
						x: r[field], y: r[what], low: what === 'seconds' ? r.seconds_min : undefined, high: what === 'seconds' ? r.seconds_max : undefined,
					})),
				})),
			}), `how the ${title} grows with ${x.title}, for the same image.`, 'marking of a different graph: the image is synthetic.'));
	}
	const base = good.filter(r => r.sweep === 'base');
	out.append(table(['plan', 'time', 'spread', 'CPU', 'longest pause', 'pages allocated', 'page faults', 'peak memory', 'evacuated', 'dirty pages', 'mutator operations'], (base.length ? base : good).map(r => [
		name(r), fmt.s(r.seconds), `${fmt.s(r.seconds_min)} to ${fmt.s(r.seconds_max)}`, fmt.s(r.cpu_seconds), fmt.us(r.pause_us_max),
		fmt.count(r.pages_allocated), fmt.count(r.minor_faults), fmt.bytes(r.peak_bytes), fmt.bytes(r.evacuated_bytes), fmt.count(r.dirty_pages), fmt.count(r.mutator_ops)])));
	for (const r of data.results.filter(r => r.status !== 'ok'))
		out.append(el('p', {class: r.status === 'unavailable' ? 'note' : 'failed'}, `${name(r)} (${r.sweep}): ${r.status}: ${r.message}`));
}

// --- peers ------------------------------------------------------------------------------------------

const peerColor = name => name.startsWith('parallax') ? 0 : /alloc|glibc/.test(name) ? 6 : name.startsWith('bdwgc') ? 2 : name.startsWith('java') ? 1 : 3;

function peers(data, out) {
	out.append(el('h2', {id: 'peers'}, 'Beside what you might use instead'),
		el('p', {class: 'where'}, `The same fixed work, chance and heap limit; alternating; medians of the rounds, whiskers from the least to the largest.`));
	for (const workload of unique(data.results.map(r => r.workload))) {
		const here = data.results.filter(r => r.workload === workload);
		const grid = out.appendChild(el('div', {class: 'figures'}));
		const draw = (title, path, kind, format, axis, shows, not) => grid.append(figure(`${workload}: ${title}`, bars({
			title, x: {kind, format, title: axis},
			rows: here.filter(r => r.status === 'ok').map(r => {
				const value = get(r, path), [low, high] = get(r, 'spread')[path] || [];
				return {name: r.peer, value, low, high, style: peerColor(r.peer), message: 'tells of none', tip: `${r.describe}\n${format(value)}${high > low ? ` (${format(low)} to ${format(high)})` : ''}`};
			}),
		}), shows, not));
		draw('time', 'seconds', 'linear', fmt.s, 'seconds, less is better', 'how long the measured work took.', 'start-up and filling of the heap, which are left out.');
		draw('operation at 99.99 %', 'op_us.p9999', 'log', fmt.us, 'time, log scale', 'what one operation in ten thousand took at least.', 'the worst one: see the table.');
		draw('longest pause', 'pause_us.max', 'log', fmt.us, 'time, log scale', 'the collector\'s own longest stop.', 'malloc, which has none, and Guile, which tells of none; Go adds up the two stops of a cycle.');
		draw('memory', 'pss_peak_bytes', 'linear', fmt.bytes, 'peak of proportional set size', 'the most memory the process had at once.', 'what it would have made do with: each may use all of the same limit.');
		out.append(table([workload, 'time', 'rounds', 'spread', 'operations/s', 'op p99', 'op p99.99', 'op max', 'arrival p99.9', 'pause max', 'CPU', 'PSS peak', 'cycles'], here.map(r => r.status !== 'ok'
			? [r.peer, {text: `${r.status}: ${r.message}`, attributes: {class: 'absent', colspan: 12}}]
			: [r.peer, fmt.s(r.seconds), fmt.count(r.rounds), spread(r, 'seconds') || 'once', fmt.count(r.ops_per_second), fmt.us(r.op_us.p99), fmt.us(r.op_us.p9999), fmt.us(r.op_us.max), fmt.us(r.arrival_us.p999), get(r, 'pause_us.count') > 0 ? fmt.us(r.pause_us.max) : '-', fmt.s(r.cpu_seconds), fmt.bytes(r.pss_peak_bytes), r.cycles > 0 ? fmt.count(r.cycles) : '-'])));
	}
}

// --- trace ------------------------------------------------------------------------------------------

const phaseColors = {mark: 0, references: 5, sweep: 2, plan: 4, prepare: 6, start: 3, flip: 7, move: 1, finish: 3, settle: 6, close: 6, pause: 7, stop: 7, fault: 1, stall: 7, paced: 4, refill: 6, reattach: 5, update: 1, copy: 3, bring_back: 2, work: 0, cycle: 6};

function timeline(events, out) {
	const spans = events.filter(e => e.ph === 'X' && e.dur >= 0), names = {};
	for (const e of events.filter(e => e.ph === 'M' && e.name === 'thread_name'))
		names[e.tid] = e.args.name;
	const cycles = spans.filter(e => e.name === 'cycle');
	if (spans.length === 0)
		return;
	const moved = cycles.filter(c => spans.some(e => e.name === 'move' && e.ts >= c.ts && e.ts < c.ts + c.dur));
	const chosen = (moved.length ? moved : cycles).sort((a, b) => a.dur - b.dur), one = chosen[Math.floor(chosen.length / 2)] || spans[0];
	const from = one.ts - one.dur * 0.03, to = one.ts + one.dur * 1.05;
	const seen = spans.filter(e => e.ts + e.dur >= from && e.ts <= to);
	const lanes = unique(seen.map(e => e.tid)).sort((a, b) => a - b);
	const width = 1100, left = 120, row = 46, height = lanes.length * row + 60;
	const x = t => left + (width - left - 10) * (Math.min(Math.max(t, from), to) - from) / (to - from);
	const svg = el('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': 'timeline of one cycle'});
	for (const v of linearTicks(0, to - from))
		svg.append(el('line', {class: 'grid', x1: x(from + v), x2: x(from + v), y1: 6, y2: height - 44}),
			el('text', {x: x(from + v), y: height - 26, 'text-anchor': 'middle'}, fmt.us(v)));
	lanes.forEach((tid, i) => {
		svg.append(el('text', {class: 'ink', x: left - 10, y: 6 + i * row + 24, 'text-anchor': 'end'}, names[tid] || 'thread ' + tid));
		for (const e of seen.filter(e => e.tid === tid).sort((a, b) => b.dur - a.dur)) {
			const depth = seen.filter(o => o.tid === tid && o.dur > e.dur && o.ts <= e.ts && o.ts + o.dur >= e.ts + e.dur).length;
			const w = Math.max(1.2, x(e.ts + e.dur) - x(e.ts)), y = 6 + i * row + Math.min(depth, 2) * 12;
			svg.append(el('rect', {x: x(e.ts), y, width: w, height: 11, rx: 1, fill: color(phaseColors[e.name] ?? 6), opacity: depth ? 1 : 0.8, 'data-tip': `${e.name}\n${fmt.us(e.dur)}, ${fmt.us(e.ts - one.ts)} after the cycle began`}));
			if (w > 8 * e.name.length && depth < 3)
				svg.append(el('text', {x: x(e.ts) + 4, y: y + 9.5, style: 'font-size:10px;fill:var(--paper);pointer-events:none'}, e.name));
		}
	});
	svg.append(el('text', {x: width / 2, y: height - 6, 'text-anchor': 'middle'}, 'time since the cycle began'));
	out.append(el('h2', {id: 'timeline'}, 'One cycle, thread by thread'), el('div', {class: 'figures'}, figure(`A typical cycle of ${cycles.length}: ${fmt.us(one.dur)}`, svg,
		'which thread did what and when; the cycle of median length among those that moved something.', 'what mutators did between their marks: work of their own.', true)));
}

// --- heap map ---------------------------------------------------------------------------------------

const mapKinds = {f: ['free', 'var(--line)'], e: ['never used', 'transparent'], s: ['objects', color(0)], l: ['large', color(3)], r: ['roots', color(6)], t: ['target', color(2)], v: ['evacuated', color(1)]};

function heapMap(data, out) {
	const samples = data.samples, width = 1100, left = 66, columns = samples[0].kind.length;
	const row = Math.max(4, Math.min(14, 420 / samples.length)), height = row * samples.length + 56, cell = (width - left - 8) / columns;
	const draw = (title, fill) => {
		const svg = el('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': title});
		samples.forEach((s, i) => {
			// Neighbours that look the same become one rectangle.
			for (let c = 0, end; c < columns; c = end) {
				const [look, opacity] = fill(s, c);
				for (end = c + 1; end < columns && String(fill(s, end)) === String([look, opacity]); end++)
					;
				if (look !== 'transparent')
					svg.append(el('rect', {x: (left + c * cell).toFixed(1), y: (6 + i * row).toFixed(1), width: ((end - c) * cell).toFixed(1), height: (row * 0.92).toFixed(1), fill: look, opacity, 'data-tip': `${fmt.us(s.us)}: ${mapKinds[s.kind[c]][0]}`}));
			}
			if (i % Math.ceil(samples.length / 10) === 0)
				svg.append(el('text', {x: left - 8, y: 6 + i * row + 9, 'text-anchor': 'end'}, fmt.us(s.us)));
		});
		svg.append(el('text', {x: (left + width) / 2, y: height - 12, 'text-anchor': 'middle'}, `regions by address: ${columns} columns of ${fmt.bytes(data.column_bytes)}; objects, then leaves; time runs downwards`));
		return svg;
	};
	const key = el('div', {class: 'key'}, Object.values(mapKinds).filter(k => k[1] !== 'transparent').map(([name, look]) => el('span', {}, el('svg', {viewBox: '0 0 26 12'}, el('rect', {x: 6, width: 14, height: 12, fill: look})), name)));
	out.append(el('h2', {id: 'map'}, 'The heap over time'), el('div', {class: 'figures'},
		figure('What regions are used for', el('div', {}, key, draw('kinds', (s, c) => [mapKinds[s.kind[c]][1], s.kind[c] === 's' ? 0.35 + 0.065 * Number(s.full[c]) : 1])),
			'kinds of regions; the paler, the less of it was found alive.', 'single objects; and what happened between two samples.', true),
		figure('Dirty pages', draw('dirty pages', (s, c) => s.dirty[c] === '0' ? ['transparent', 1] : [color(1), 0.1 + 0.1 * Number(s.dirty[c])]),
			'where pages were marked as referring to what moves: the stronger, the more of the region.', 'which of them were really updated: marks are a superset.', true)));
}

// --- at a glance ------------------------------------------------------------------------------------

function card(question, answer, lines) {
	return answer === undefined ? null : el('div', {class: 'card'}, el('div', {class: 'question'}, question), el('div', {class: 'answer'}, answer), el('ul', {}, lines.filter(Boolean).map(l => el('li', {}, l))));
}

function glance(sets, out) {
	const runs = sets.filter(s => s.tool === 'gc_pause').flatMap(s => s.runs).filter(r => r.status === 'ok');
	const plain = runs.filter(r => !r.sweep), swept = runs.filter(r => r.sweep === 'heap' && r.plan === 'minor' && r.pause_us.count > 1).sort((a, b) => a.sweep_value - b.sweep_value);
	const pick = plan => plain.find(r => r.workload === 'cache' && r.plan === plan && r.delivery !== 'thread') || plain.find(r => r.workload === 'cache' && r.plan === plan) || plain.find(r => r.plan === plan);
	const minor = pick('minor') || runs.find(r => r.plan === 'minor'), none = pick('none'), stw = pick('stw'), copy = pick('copy');
	const cards = [];
	if (minor) {
		const small = swept[0], large = swept[swept.length - 1];
		cards.push(card('How long are pauses, and what do they depend on?', minor.pause_us.count ? fmt.us(minor.pause_us.p50) : 'none', [
			`median of ${fmt.count(minor.pause_us.count)} in ${minor.workload}; 99 %: ${fmt.us(minor.pause_us.p99)}, longest ${fmt.us(minor.pause_us.max)}`,
			stw && stw.pause_us.count ? `the same moving inside the pause (stw): ${fmt.us(stw.pause_us.p50)}` : null,
			small && large && small !== large ? `${fmt.bytes(small.sweep_value)} to ${fmt.bytes(large.sweep_value)} of heap: median ${fmt.us(small.pause_us.p50)} to ${fmt.us(large.pause_us.p50)}` : null,
		]));
		cards.push(card('What do mutators feel besides pauses?', fmt.us(minor.op_us.p9999), [
			`one operation in 10,000 takes at least that${none ? `; with malloc ${fmt.us(none.op_us.p9999)}` : ''}`,
			minor.fault_us.count ? `${fmt.count(minor.fault_us.count)} early touches: median ${fmt.us(minor.fault_us.p50)}, 99 % ${fmt.us(minor.fault_us.p99)}` : 'no page was touched too early',
			`${fmt.count(minor.stalls)} stalls of allocation, ${fmt.count(minor.paced)} short waits; utilisation of the worst 5 ms: ${fmt.percent(minor.mmu['5ms'])}`,
		]));
	}
	const ops = sets.find(s => s.tool === 'uffd_ops');
	if (ops) {
		const cheapest = name => ops.results.filter(r => r.status === 'ok' && r.name === name && r.page_bytes === ops.page_bytes).sort((a, b) => a.ns_per_page.p50 - b.ns_per_page.p50)[0];
		const c = cheapest('uffd_continue'), lines = ['uffd_copy', 'uffd_move', 'memcpy'].map(n => {
			const r = cheapest(n);
			return r ? `${n.replace('_', ' ')}: ${fmt.ns(r.ns_per_page.p50)} a page${c ? `, ${fmt.ratio(r.ns_per_page.p50 / c.ns_per_page.p50)} CONTINUE` : ''}` : n === 'uffd_move' ? 'MOVE is not there in this kernel' : null;
		});
		cards.push(card('What does CONTINUE cost against COPY and MOVE?', c ? fmt.ns(c.ns_per_page.p50) : 'not there', ['a page by UFFDIO_CONTINUE, at its best batch size'].concat(lines)));
	} else if (minor && copy) {
		cards.push(card('What does CONTINUE cost against COPY?', fmt.ratio(minor.ops_per_second / copy.ops_per_second), [`operations per second, minor by copy, in ${minor.workload}`, `pages continued ${fmt.count(minor.continued_pages)}, pages copied by the other plan ${fmt.count(copy.copied_pages)}`, `CPU ${fmt.s(minor.cpu_seconds)} against ${fmt.s(copy.cpu_seconds)}`]));
	}
	const lines = [], own = ['continue', 'detach', 'zap'];
	const points = ops ? ops.derived || [] : [];
	for (const key of unique(points.map(d => d.layout + '|' + d.heap_pages))) {
		const here = points.filter(d => d.layout + '|' + d.heap_pages === key), lost = here.filter(d => d.best && !own.includes(d.method));
		if (lost.length) {
			const dirty = lost.map(d => d.dirty_pages);
			lines.push(`${fmt.bytes(here[0].heap_pages * ops.page_bytes)}, dirty pages ${here[0].layout}: ${unique(lost.map(d => d.method.replace('_', ' '))).join(' or ')} needs less work for ${fmt.count(Math.min(...dirty))} to ${fmt.count(Math.max(...dirty))} of them`);
		}
	}
	const packed = sets.find(s => s.tool === 'compaction');
	if (packed) {
		const ok = packed.results.filter(r => r.status === 'ok'), key = r => [r.sweep, r.mutator, r.heap_bytes, r.live_fraction, r.dirty_fraction].join();
		const lost = unique(ok.map(key)).filter(k => {
			const best = plan => Math.min(...ok.filter(r => key(r) === k && r.plan === plan).map(r => r.seconds));
			return Math.min(best('copy'), best('stw')) < best('minor');
		});
		lines.push(`of ${unique(ok.map(key)).length} heap images, ${lost.length} compacted in less time without minor faults`);
	}
	const worse = plain.filter(r => r.plan === 'minor').flatMap(r => plain.filter(o => o.workload === r.workload && o.plan === 'copy' && o.ops_per_second > r.ops_per_second * 1.02).map(o => `${r.workload}: copy ran ${fmt.percent(o.ops_per_second / r.ops_per_second - 1)} more operations than minor ${r.delivery}`));
	if (ops || packed || copy)
		cards.push(card('When does minor mode lose?', lines.length + worse.length ? `${lines.length + worse.length} case${lines.length + worse.length === 1 ? '' : 's'}` : 'not here', lines.concat(worse).slice(0, 5)));
	if (cards.some(Boolean))
		out.append(el('div', {class: 'cards'}, cards));
}

// --- the page ---------------------------------------------------------------------------------------

function page() {
	const out = document.querySelector('main');
	const sets = [...document.querySelectorAll('script[type="application/json"]')].map(s => {
		const data = JSON.parse(s.textContent), set = Array.isArray(data) ? {tool: 'trace', events: data} : data;
		return {...set, tool: set.tool || (set.traceEvents ? 'trace' : ''), file: s.dataset.file};
	});
	const first = sets.find(s => s.kernel) || {};
	out.append(el('h1', {}, 'Parallax: the measurements'),
		el('p', {class: 'where'}, first.kernel ? `Linux ${first.kernel}, ${first.machine}, ${first.cpus} CPUs. ` : '', `From ${sets.map(s => s.file).join(', ')}.`));
	const nav = out.appendChild(el('nav'));
	glance(sets, out);
	for (const set of sets) {
		if (set.tool === 'gc_pause')
			gcPause(set, out);
		else if (set.tool === 'uffd_ops')
			uffdOps(set, out);
		else if (set.tool === 'compaction')
			compaction(set, out);
		else if (set.tool === 'peers')
			peers(set, out);
		else if (set.tool === 'heap_map')
			heapMap(set, out);
		else if (set.tool === 'trace')
			timeline(set.events || set.traceEvents, out);
	}
	for (const head of document.querySelectorAll('h2[id]'))
		nav.append(el('a', {href: '#' + head.id}, head.textContent.split(':')[0] + (head.id.startsWith('pause-') ? ' (' + head.id.slice(6) + ')' : '')));
	tooltips();
	document.documentElement.dataset.figures = document.querySelectorAll('figure').length;
}

addEventListener('error', event => {
	document.documentElement.dataset.error = event.message;
	document.querySelector('main').append(el('p', {class: 'failed'}, 'This page could not be drawn: ' + event.message));
});
page();
