/* test/models/page.pml: one page from flip to flip, and all who may touch it.
 *
 * Stands for: gc/heap/page_state.h (states), gc/collect/fault.c (gc_fault_resolve_fault,
 * gc_fault_serve_fault, gc_fault_wait_out), gc/collect/unit.c (gc_unit_finish_fault), gc/collect/move.c
 * (move_unit, move_remaining_extents), gc/collect/reattach.c (gc_reattach_region), gc/collect/finish.c
 * (finish_disarm, gc_finish), gc/collect/flip.c (gc_flip_prepare, gc_flip_stw), and what the kernel does at
 * a fault, CONTINUE, mremap, UNREGISTER and reclaim.
 *
 * Two pages of one extent: UNIT has to be built; FREE lies in a free region, but its flags are stale, so
 * that it looks like a unit, and a mutator takes it meanwhile. Two mutators, each of which resolves its faults in its
 * SIGBUS handler; or, with -DTHREAD, one mutator and a thread that resolves them. Two flips, so that what is late for the first
 * meets the second. The worker either moves the extent back or attaches page by page (zap).
 *
 * Checked: a page is built once and only after its flip [I2], never after a mutator has written it
 * [I3], never seen unbuilt [I1] [PS-4]; nobody waits for ever.
 *
 * MUTATE=1  the claim is no CAS
 *        2  a page that somebody is building counts as built
 *        3  the extent moves back without waiting for who builds in it [X-2]
 *        4  disarmed before everything is built [FN-1]
 *        5  a fault on a READY page builds it again [PS-5]
 *        6  a free page is handed out without saying so [RA-2]
 *        7  the next flip is prepared without the handshake that starts a cycle [FT-2]
 *        8  finish does not wait for the fault thread [MO-FAULT] (THREAD)
 *        9  a fault in what is no longer armed is not answered by a wake [FN-2] (THREAD)
 */
#ifndef MUTATE
#define MUTATE 0
#endif

#define UNIT 0
#define FREE 1
#define FLIPS 2

mtype = { ATTACHED, DETACHED, CLAIMED, READY };

mtype state[2];    /* gc_pages.states */
bool dirty[2];     /* the resolver's is_unit, as it looks from outside */
bool armed_flag;   /* heap->armed */
bool turn_odd;     /* heap->fault_turn */
bool turn_changed; /* since finish looked */

/* The kernel. */
bool mapped[2]; /* entries of the heap view */
bool armed[2];  /* registered with userfaultfd */
byte asleep[2]; /* THREAD: waits on page + 1; 0: nobody */
byte queued[2]; /* THREAD: message not read yet, page + 1 */
byte reclaims;  /* how often reclaim will strike */

/* Ghosts. */
bool built[2], written[2], flipped, free_taken;
bool inside[2]; /* not at a safepoint */
bool locked;    /* regions.lock */
byte flips;
bool over; /* the collector is done */

inline wake(page)
{
	d_step {
		if :: asleep[0] == page + 1 -> asleep[0] = 0 :: else fi;
		if :: asleep[1] == page + 1 -> asleep[1] = 0 :: else fi
	}
}

/* UFFDIO_CONTINUE on one page. ENOENT: no longer armed; EEXIST: mapped. Either is fine. */
inline kernel_continue(page)
{
	atomic {
		if
		:: armed[page] && !mapped[page] ->
			assert(built[page] || page == FREE); /* [PS-4] */
			mapped[page] = true;
			wake(page)
		:: armed[page] && mapped[page] -> wake(page)
		:: !armed[page] ->
			if :: MUTATE != 9 -> wake(page) :: else fi
		fi
	}
}

/* gc_unit_finish_fault */
inline build(page)
{
	assert(flipped);        /* [FT-2] */
	assert(!built[page]);   /* [I2] */
	assert(!written[page]); /* [I3] */
	built[page] = true;
	state[page] = READY
}

inline try_claim(page, won)
{
	if
	:: MUTATE == 1 ->
		won = (state[page] == DETACHED); /* and then, not in the same step: */
		if :: won -> state[page] = CLAIMED :: else fi
	:: else ->
		d_step {
			won = (state[page] == DETACHED);
			if :: won -> state[page] = CLAIMED :: else fi
		}
	fi
}

/* gc_fault_resolve_fault */
inline resolve(page, won)
{
	do
	:: state[page] == CLAIMED && MUTATE != 2 -> state[page] != CLAIMED
	:: dirty[page] && (state[page] == DETACHED || (MUTATE == 5 && state[page] == READY)) ->
		if
		:: MUTATE == 5 && state[page] == READY -> won = true; state[page] = CLAIMED
		:: else -> try_claim(page, won)
		fi;
		if :: won -> won = false; build(page) :: else fi
	:: !(dirty[page] && state[page] == DETACHED) && (state[page] != CLAIMED || MUTATE == 2) ->
		kernel_continue(page);
		break
	od
}

/* A store by a mutator: retried until the page is there. */
inline access(me, page, won)
{
	do
	:: atomic { mapped[page] -> assert(built[page]); written[page] = true; break }
	:: atomic { !mapped[page] && !armed[page] -> /* an ordinary fault */
		assert(built[page]);
		mapped[page] = true }
	:: atomic { !mapped[page] && armed[page] ->
#ifdef THREAD
		asleep[me] = page + 1; queued[me] = page + 1 }
		asleep[me] == 0
#else
		skip }
		resolve(page, won)
#endif
	od
}

proctype mutator(byte me)
{
	bool won;

	do
	:: !over ->
		inside[me] = true;
		access(me, UNIT, won);
		inside[me] = false
	:: atomic { flipped && !free_taken && !locked && me == 0 ->
		free_taken = true; inside[me] = true; locked = true }
		/* gc_reattach_region, under regions.lock with the phase MOVING */
		atomic { armed[FREE] = false; wake(FREE) }
		do
		:: MUTATE == 6 -> break
		:: atomic { MUTATE != 6 && state[FREE] == DETACHED ->
			state[FREE] = ATTACHED; dirty[FREE] = false; break }
		:: MUTATE != 6 && state[FREE] == CLAIMED -> state[FREE] != CLAIMED
		:: MUTATE != 6 && (state[FREE] == READY || state[FREE] == ATTACHED) -> break
		od;
		locked = false;
		written[FREE] = true;
		inside[me] = false
	:: over -> break
	od
}

#ifdef THREAD
proctype fault_thread()
{
	bool won;
	byte page;

	do
	:: atomic { queued[0] != 0 -> page = queued[0] - 1; queued[0] = 0 }
		goto serve
	:: atomic { queued[1] != 0 -> page = queued[1] - 1; queued[1] = 0 }
serve:
		atomic { turn_odd = true; turn_changed = true }
		if
		:: armed_flag -> resolve(page, won)
		:: else -> wake(page)
		fi;
		atomic { turn_odd = false; turn_changed = true; page = 0 }
	:: over && queued[0] == 0 && queued[1] == 0 -> break
	od
}
#endif

/* Any page may lose its entry at any time; its contents stay. */
proctype reclaim()
{
	end:
	do
	:: atomic { reclaims > 0 && mapped[UNIT] -> mapped[UNIT] = false; reclaims-- }
	:: over -> break
	od
}

inline worker_unit(page)
{
	if
	:: state[page] == DETACHED && dirty[page] ->
		try_claim(page, won);
		if :: won -> won = false; build(page) :: else fi
	:: else
	fi;
	if :: MUTATE != 3 && MUTATE != 4 -> state[page] != CLAIMED :: else fi
}

proctype collector()
{
	bool won;

	do
	:: flips < FLIPS ->
		/* The start of a cycle: everybody was at a safepoint since the last flip. */
		if :: MUTATE != 7 -> !inside[0]; !inside[1] :: else fi;
		/* gc_flip_prepare: mutators run, all is mapped or comes by ordinary faults */
		d_step {
			state[UNIT] = DETACHED; state[FREE] = DETACHED;
			dirty[UNIT] = true; built[UNIT] = true; /* nothing has moved yet */
			dirty[FREE] = true; built[FREE] = true
		}
		/* gc_flip_stw */
		atomic {
			!inside[0] && !inside[1] ->
			mapped[UNIT] = false; mapped[FREE] = false;
			built[UNIT] = false; built[FREE] = false;
			written[UNIT] = false; written[FREE] = false;
			free_taken = false; armed[UNIT] = true; armed[FREE] = true;
			armed_flag = true; flipped = true
		}
		/* gc_move_concurrently */
		worker_unit(UNIT);
		worker_unit(FREE);
		if
		:: atomic { true -> /* mremap: what was there is replaced, unarmed; it wakes nobody */
			assert(built[UNIT]); /* [X-2] */
			mapped[UNIT] = true; mapped[FREE] = true;
			armed[UNIT] = false; armed[FREE] = false }
		:: kernel_continue(UNIT) /* one by one: a partial batch is restarted behind what is mapped */
		fi;
		/* gc_finish: UNREGISTER wakes who waits in what is still armed */
		atomic {
			if :: armed[UNIT] -> armed[UNIT] = false; wake(UNIT) :: else fi;
			if :: armed[FREE] -> armed[FREE] = false; wake(FREE) :: else fi
		}
		atomic { armed_flag = false; turn_changed = !turn_odd }
#ifdef THREAD
		if :: MUTATE != 8 -> turn_changed :: else fi;
#endif
		atomic {
			!locked ->
			if :: MUTATE != 4 -> assert(built[UNIT]) :: else fi;
			flipped = false; state[UNIT] = ATTACHED; state[FREE] = ATTACHED
		}
		flips++
	:: else -> break
	od;
	over = true
}

init
{
	atomic {
		state[0] = ATTACHED; state[1] = ATTACHED; built[0] = true; built[1] = true;
		mapped[0] = true; mapped[1] = true; reclaims = 2;
		run mutator(0); run reclaim(); run collector();
#ifdef THREAD
		run fault_thread()
#else
		run mutator(1)
#endif
	}
}
