/* test/models/marking.pml: marking by snapshots that are not of one moment, with mutators at work.
 *
 * Stands for: gc/cycle.c (cycle_start_ragged, cycle_mark and the answers; [CY-2] to [CY-5]),
 * gc/collect/barrier.c (barrier_one, gc_satb_log, gc_satb_flush, plx_handle_set_slow), gc/collect/mark.c
 * (gc_mark_root_pages, mark_slot, gc_mark_done), gc/collect/allocate.c (colours of new objects).
 *
 * A heap of four objects of one slot each and two handles. Handle 0 holds object 0, which holds object 1;
 * objects 2 and 3 are allocated meanwhile. Three mutators, each step of theirs optional, with a safepoint
 * before each, at which locals are no roots:
 *
 *   giver       may read handle 0 and its slot, clear that slot, allocate 2, fill it by a plain
 *               store, store it or what it read to handle 1
 *   overwriter  may clear handle 1, or the slot of object 0
 *   taker       may allocate 3, read handle 1, fill 3 by a plain store, store 3 to handle 0
 *
 * These are the fewest that show what each part of the barrier is for: two mutators do not need the logging of
 * stored values, since then nobody is left to take a value while a third is in the middle of a store. A
 * store reads the old value, and then logs and stores. Buffers are handed over in the flushing round.
 *
 * Checked: when marking ends, handles and locals hold marked or black objects only, and so do the slots of
 * all marked and black ones [I5] [CY-3] [CY-4].
 *
 * MUTATE=1  the overwritten value is not logged [B-1]
 *        2  the stored value is not logged before the snapshot [B-1]
 *        3  there is no settling round [CY-2]
 *        4  marking ends without a round of flushing [CY-4]
 *        5  what is allocated after the snapshot is white [A-2]
 *        6  handles are read before all have given their snapshots [M-1]
 *        7  what is allocated before the snapshot is black [CY-3]
 *        8  a mutator arms only with its snapshot [CY-1]
 */
#ifndef MUTATE
#define MUTATE 0
#endif
#define NONE 4 /* NULL */
#define OBJECTS 4
#define MUTATORS 3

#define IDLE 0
#define ARMED 1
#define MARKING 2

byte handle[2];
byte slot[OBJECTS];
byte marked, black, grey; /* bit per object */
byte shared;              /* handed-over buffers */
byte log[MUTATORS];              /* each mutator's buffer */
byte regime[MUTATORS], wanted;   /* what an answer brings */
bool owed[MUTATORS], flush;
byte x[MUTATORS], y[MUTATORS];         /* locals */
byte fresh[MUTATORS]; /* allocated since the last safepoint */
bool done;

#define BIT(o) (1 << (o))
#define IS_LIVE(o) ((marked | black) & BIT(o))

/* gc_satb_log */
inline log_word(m, o)
{
	if
	:: o != NONE && !IS_LIVE(o) -> log[m] = log[m] | BIT(o)
	:: else
	fi
}

/* A safepoint where something is asked: no local is a root. */
inline answer(m)
{
	atomic {
		owed[m] = false;
		x[m] = NONE; y[m] = NONE; fresh[m] = NONE;
		if :: MUTATE == 8 && wanted == ARMED -> skip :: else -> regime[m] = wanted fi;
		if :: flush -> shared = shared | log[m]; log[m] = 0 :: else fi
	}
}

inline safepoint(m)
{
	do
	:: owed[m] -> answer(m)
	:: true -> break
	od
}

/* At the end: only answering. */
inline rest(m)
{
	do
	:: owed[m] -> answer(m)
	:: done -> break
	od
}

/* One step with the store: the buffer is the mutator's own until its next safepoint, and what it need
 * not log as late as that it need not log at all. */
#define LOG_OLD_AND_NEW(m, value) \
	if :: regime[m] != IDLE && MUTATE != 1 -> log_word(m, old) :: else fi; \
	if :: regime[m] == ARMED && MUTATE != 2 -> log_word(m, value) :: else fi

/* plx_handle_set, PLX_STORE: the barrier, then the store */
inline set_handle(m, h, value)
{
	old = handle[h];
	atomic { LOG_OLD_AND_NEW(m, value); handle[h] = value; old = NONE }
}

inline set_slot(m, o, value)
{
	old = slot[o];
	atomic { LOG_OLD_AND_NEW(m, value); slot[o] = value; old = NONE }
}

inline allocate(m, o)
{
	atomic {
		x[m] = o; fresh[m] = o;
		if
		:: (regime[m] == MARKING && MUTATE != 5) || (regime[m] != MARKING && MUTATE == 7) ->
			black = black | BIT(o)
		:: else
		fi
	}
}

/* A store into a fresh object has no barrier. */
inline fill(m)
{
	atomic {
		if :: fresh[m] != NONE && y[m] != NONE -> slot[fresh[m]] = y[m] :: else fi
	}
}

proctype giver()
{
	byte old = NONE;

	safepoint(0);
	if :: atomic { handle[0] == 0 -> x[0] = 0; y[0] = slot[0] } :: true fi;
	safepoint(0);
	if :: x[0] == 0 -> set_slot(0, 0, NONE) :: true fi;
	safepoint(0);
	if :: allocate(0, 2) :: true fi;
	if :: fill(0) :: true fi;
	if
	:: x[0] != NONE -> set_handle(0, 1, x[0])
	:: y[0] != NONE -> set_handle(0, 1, y[0])
	:: true
	fi;
	rest(0)
}

proctype overwriter()
{
	byte old = NONE;

	safepoint(1);
	if
	:: set_handle(1, 1, NONE)
	:: atomic { handle[0] == 0 -> x[1] = 0 }
		set_slot(1, 0, NONE)
	:: true
	fi;
	rest(1)
}

proctype taker()
{
	byte old = NONE;

	safepoint(2);
	if :: allocate(2, 3) :: true fi;
	if :: y[2] = handle[1] :: true fi;
	if :: fill(2) :: true fi;
	if
	:: x[2] != NONE -> set_handle(2, 0, x[2])
	:: true
	fi;
	rest(2)
}

inline round(what, flushing)
{
	atomic {
		wanted = what; flush = flushing;
		owed[0] = true; owed[1] = true; owed[2] = true
	}
	!owed[0] && !owed[1] && !owed[2]
}

/* mark_word: queue what is neither marked nor black. */
inline shade(o)
{
	if
	:: o != NONE && !IS_LIVE(o) -> marked = marked | BIT(o); grey = grey | BIT(o)
	:: else
	fi
}

inline mark_handles()
{
	atomic { shade(handle[0]) }
	atomic { shade(handle[1]) }
}

inline scan(o)
{
	atomic { grey & BIT(o) -> grey = grey & ~BIT(o); shade(slot[o]) }
}

inline take_logged()
{
	d_step {
		shade((shared & 1 -> 0 : NONE));
		shade((shared & 2 -> 1 : NONE));
		shade((shared & 4 -> 2 : NONE));
		shade((shared & 8 -> 3 : NONE));
		shared = 0
	}
}

#define REACHED(o) ((o) == NONE || IS_LIVE(o))
#define CLOSED(o) (!IS_LIVE(o) || REACHED(slot[o]))

proctype marker()
{
	if :: MUTATE == 6 -> mark_handles() :: else fi;
	round(ARMED, false);
	if :: MUTATE != 3 -> round(ARMED, false) :: else fi;
	round(MARKING, false);
	if :: MUTATE != 6 -> mark_handles() :: else fi;
	do
	:: scan(0)
	:: scan(1)
	:: scan(2)
	:: scan(3)
	:: grey == 0 ->
		if
		:: MUTATE == 4 -> break
		:: else ->
			round(MARKING, true);
			take_logged();
			if :: grey == 0 -> break :: else fi
		fi
	od;
	atomic {
		assert(REACHED(handle[0]) && REACHED(handle[1]));
		assert(REACHED(x[0]) && REACHED(x[1]) && REACHED(x[2]));
		assert(REACHED(y[0]) && REACHED(y[1]) && REACHED(y[2]));
		assert(CLOSED(0) && CLOSED(1) && CLOSED(2) && CLOSED(3));
		done = true
	}
}

init
{
	atomic {
		handle[0] = 0; handle[1] = NONE;
		slot[0] = 1; slot[1] = NONE; slot[2] = NONE; slot[3] = NONE;
		x[0] = NONE; x[1] = NONE; x[2] = NONE; y[0] = NONE; y[1] = NONE; y[2] = NONE;
		fresh[0] = NONE; fresh[1] = NONE; fresh[2] = NONE;
		run marker(); run giver(); run overwriter(); run taker()
	}
}
