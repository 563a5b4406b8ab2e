/* test/models/handshake.pml: handshakes and the flip's stop, with threads that come, go, block and return.
 *
 * Stands for: runtime/handshake.c (rt_handshake, handshake_pass_locked, handshake_hold, handshake_do,
 * rt_handshake_answer), runtime/safepoint.c (plx_poll_slow, rt_state_leave, rt_state_enter, world_stop,
 * world_resume, plx_block_enter, plx_block_exit), runtime/thread.c (plx_thread_attach, plx_thread_detach).
 *
 * A collector: a round, a stop, a round. Two threads: one attached from the start, one that attaches
 * some time; each polls or blocks and returns, works, and then detaches, or stays: does nothing but poll,
 * or blocks, until the end. Waiting for a futex word is waiting until it differs from what was read. A fork changes nothing
 * here: its child has no heap, and the parent goes on.
 *
 * Checked: each thread answers each round that it owes once, and not in the middle of anything [HS-1]; when a
 * round is over everybody has its regime; nobody runs in a stop [TH-1]; nobody waits for ever [HS-2] [HS-3].
 *
 * MUTATE=1  the collector answers for a thread without holding it [HS-1]
 *        2  the poll word is cleared after looking for requests, not before [HS-2]
 *        3  who blocks does not look for a round [HS-3]
 *        4  who returns does not look for a stop after saying that it runs [TH-1]
 *        5  who attaches owes an answer to a round that did not count it [HS-4]
 *        6  who attaches has the regime of before the round [HS-4]
 *        7  who detaches does not answer [HS-4]
 *        8  the last to answer wakes nobody
 *        9  the collector does not set the poll words again for the stop
 */
#ifndef MUTATE
#define MUTATE 0
#endif

#define THREADS 2
#define OPS 1

#define RUNNING 0
#define BLOCKED 1
#define STOPPED 2
#define HELD 4

byte thread_state[THREADS]; /* rt_thread.state */
byte answered[THREADS];
bool poll[THREADS];
bool linked[THREADS];
byte regime[THREADS]; /* plx_thread.barrier */
byte round, heap_regime;
byte pending;   /* 200: below zero */
bool arrived;   /* `arrivals` differs from what the collector read last */
bool stopping;
bool lock;      /* threads_lock */

bool busy[THREADS]; /* ghost: between two safepoints */
bool in_stop;       /* ghost */
bool finished;      /* the collector is done */

inline take_lock() { atomic { !lock -> lock = true } }
inline drop_lock() { lock = false }

/* handshake_do */
inline do_answer(t, r)
{
	assert(answered[t] == r - 1);
	regime[t] = r;
	answered[t] = r;
	atomic {
		assert(pending != 0);
		pending--;
		if :: pending == 0 && MUTATE != 8 -> arrived = true :: else fi
	}
}

/* rt_handshake_answer, by the thread itself */
inline answer_own(t)
{
	atomic { r = round; due = (answered[t] != r) }
	if :: due -> do_answer(t, r) :: else fi;
	atomic { r = 0; due = false }
}

/* rt_state_leave */
inline leave(t, how)
{
	thread_state[t] = how;
	if
	:: stopping -> arrived = true
	:: else ->
		if
		:: MUTATE != 3 && answered[t] != round -> arrived = true
		:: else
		fi
	fi
}

/* rt_state_enter */
inline enter(t, from)
{
	do
	:: !stopping ->
		atomic { thread_state[t] == from -> thread_state[t] = RUNNING } /* CAS, tried until it does */
		if
		:: MUTATE == 4 -> break
		:: MUTATE != 4 && !stopping -> break
		:: MUTATE != 4 && stopping -> leave(t, from)
		fi
	od;
	answer_own(t)
}

/* plx_poll */
inline poll_safepoint(t)
{
	if
	:: poll[t] ->
		if :: MUTATE != 2 -> poll[t] = false :: else fi;
		answer_own(t);
		if
		:: stopping -> leave(t, STOPPED); enter(t, STOPPED)
		:: else
		fi;
		if :: MUTATE == 2 -> poll[t] = false :: else fi
	:: else
	fi
}

/* What a program does between safepoints. */
inline work(t)
{
	assert(!in_stop);
	busy[t] = true;
	busy[t] = false
}

proctype thread(byte t)
{
	byte r, ops = OPS;
	bool due;

	/* plx_thread_attach */
	if
	:: !linked[t] ->
		take_lock();
		atomic {
			linked[t] = true;
			if :: MUTATE == 6 -> regime[t] = 0 :: else -> regime[t] = heap_regime fi;
			if :: MUTATE == 5 -> answered[t] = round - (round > 0) :: else -> answered[t] = round fi;
			thread_state[t] = RUNNING
		}
		drop_lock()
	:: else
	fi;
	do
	:: ops > 0 ->
		ops--;
		if
		:: poll_safepoint(t)
		:: /* plx_block_enter, plx_block_exit */
			answer_own(t);
			leave(t, BLOCKED);
			enter(t, BLOCKED)
		fi;
		work(t)
	:: ops == 0 -> break
	od;
	if
	:: true -> /* stays: does nothing but poll */
		do
		:: poll[t] -> poll_safepoint(t)
		:: finished -> break
		od
	:: true -> /* blocks for as long as the collector works */
		answer_own(t);
		leave(t, BLOCKED);
		finished
	:: true -> /* plx_thread_detach */
		leave(t, BLOCKED);
		take_lock();
		if :: MUTATE != 7 -> answer_own(t) :: else fi;
		linked[t] = false;
		drop_lock()
	fi
}

/* handshake_pass_locked, for one thread */
inline pass_one(t)
{
	if
	:: linked[t] && answered[t] != round ->
		s = thread_state[t];
		if
		:: s == RUNNING -> skip
		:: else ->
			atomic {
				held = (MUTATE == 1 || thread_state[t] == s);
				if :: held && MUTATE != 1 -> thread_state[t] = s + HELD :: else fi
			}
			if
			:: held ->
				if
				:: answered[t] != round ->
					assert(!busy[t]);
					do_answer(t, round)
				:: else
				fi;
				if :: MUTATE != 1 -> thread_state[t] = s :: else fi
			:: else
			fi
		fi
	:: else
	fi;
	atomic { s = 0; held = false }
}

/* rt_handshake */
inline handshake()
{
	heap_regime = round + 1;
	take_lock();
	atomic { pending = linked[0] + linked[1]; round++ }
	if :: linked[0] -> poll[0] = true :: else fi;
	if :: linked[1] -> poll[1] = true :: else fi;
	drop_lock();
	do
	:: arrived = false;
		take_lock();
		pass_one(0);
		pass_one(1);
		drop_lock();
		if
		:: pending == 0 -> break
		:: else -> arrived
		fi
	od;
	atomic {
		assert(!linked[0] || regime[0] == round);
		assert(!linked[1] || regime[1] == round)
	}
}

/* world_stop, world_resume */
inline stop()
{
	take_lock();
	stopping = true;
	if :: linked[0] && MUTATE != 9 -> poll[0] = true :: else fi;
	if :: linked[1] && MUTATE != 9 -> poll[1] = true :: else fi;
	do :: arrived = false; if :: !linked[0] || thread_state[0] != RUNNING -> break :: else -> arrived fi od;
	do :: arrived = false; if :: !linked[1] || thread_state[1] != RUNNING -> break :: else -> arrived fi od;
	in_stop = true;
	assert(!busy[0] && !busy[1]);
	in_stop = false;
	poll[0] = false;
	poll[1] = false;
	stopping = false;
	drop_lock()
}

proctype collector()
{
	byte s;
	bool held;

	handshake();
	stop();
	handshake();
	finished = true
}

init
{
	atomic { linked[0] = true; run collector(); run thread(0); run thread(1) }
}
