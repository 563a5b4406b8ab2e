/* test/schedule/point.h: a place where the scheduler may let another thread run. */
#ifndef TEST_SCHEDULE_POINT_H
#define TEST_SCHEDULE_POINT_H

enum schedule_kind {
	SCHEDULE_RELAXED, /* a load, store or addition that promises nothing */
	SCHEDULE_ORDERED, /* acquire, release, sequentially consistent */
	SCHEDULE_CHANGE,  /* any compare-exchange, other exchanges and additions */
	SCHEDULE_CALL,	  /* a system call */
	SCHEDULE_LOCK,	  /* before a lock is taken, before somebody is woken */
	SCHEDULE_STEP,	  /* the scenario's own */
	SCHEDULE_KINDS
};

/* Who runs from here on? Any context, the SIGBUS handler included. `where`: a constant, the function's name. */
void schedule_point(enum schedule_kind kind, const char *where, int line);

/* The caller can do nothing before somebody else has done something. */
void schedule_spin(const char *where, int line);

#define SCHEDULE_POINT(kind) schedule_point((kind), __func__, __LINE__)

#endif
