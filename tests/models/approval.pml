/* From approval to dispatch, step by step as the code does it (docs/adr/0018, 0019).
 *
 * One change, one reviewer, one target branch, one deployment. An atomic block is what the database or Git does in one piece.
 * A transaction takes its locks one by one, the row of the change before the log, and shows what it wrote when it lets them go.
 * Jobs may stop between any two blocks as if the power failed, and another worker may take a lease at any moment.
 *
 * -DNO_… takes one guard out; what then must not happen is found by an assertion (tests/models/test_models_approval.py).
 * A guard that stands in two places is taken out of both, for either alone is enough.
 * -DMERGING_ONLY and -DDEPLOYING_ONLY are the two halves, each searched in full within seconds. -DREACHES and -DREACHES_RETURN show that the ends are reached.
 */
#ifndef PUSHES
#define PUSHES 1
#endif
#ifndef APPROVALS
#define APPROVALS 1
#endif
#define IN_REVIEW 0
#define MERGING 1
#define MERGED 2
#define NONE 0
#define PENDING 1
#define LANDED 2
#define RETURNED 3
#define CLAIMED 2
#define RUNNING 3
#define DONE 4
#define OURS 10  /* tips of the target: 1 and 2 of others, 10 our merge, 11 others on top of it */

/* --- the change: the revision counts, the subject is what it does, the branch is where it goes */
#ifdef DEPLOYING_ONLY
#define BEGINS MERGED
#define WAITS PENDING
#else
#define BEGINS IN_REVIEW
#define WAITS NONE
#endif
byte status = BEGINS, revision = 1, subject = 1, branch = 1, target = 1;
byte version = 1;
bool contributed = false;      /* the reviewer pushed to it */
bool row = false, log = false; /* locks */

/* --- the approval, with what the reviewer had on the screen beside what was written */
byte ap_subject = 0, ap_branch = 0, ap_reopened = 0, seen_subject = 0;
bool withdrawn = false, may_review = true;
byte reopened = 0;

/* --- the merge */
byte intent = NONE, int_subject = 0, int_branch = 0, int_target = 0;
byte fence = 0, entries = 0, merges = 0, lands = 0, returns = 0;
bool crashed_once = false, owed = false;
byte tip = 1, crashes = 0;

/* --- the deployment: a gate of its own, given by the same reviewer */
byte deployment = WAITS, dep_fence = 0, claims = 0, runs = 0, ends = 0;
bool gate_given = false, frozen = false, mark = false;

#define LOCK_ROW atomic { !row -> row = true }
#define LOCK_LOG atomic { !log -> log = true }

/* What the policy on the target says: the commit 2 brought a rule that this change does not meet. */
#define POLICY_ALLOWS(t) (t == 1)

#ifdef NO_SUBJECT
#define G_SUBJECT true
#else
#define G_SUBJECT (ap_subject == subject)
#endif
#ifdef NO_BRANCH
#define G_BRANCH true
#else
#define G_BRANCH (ap_branch == branch)
#endif
#ifdef NO_REOPENED
#define G_REOPENED true
#else
#define G_REOPENED (ap_reopened == reopened)
#endif
#ifdef NO_ROLE_NOW
#define G_ROLE true
#else
#define G_ROLE may_review
#endif
#ifdef NO_CONTRIBUTOR
#define G_CONTRIBUTOR true
#else
#define G_CONTRIBUTOR (!contributed)
#endif
#ifdef NO_WITHDRAWN
#define G_WITHDRAWN true
#else
#define G_WITHDRAWN (!withdrawn)
#endif
#ifdef NO_POLICY
#define G_POLICY true
#else
#define G_POLICY POLICY_ALLOWS(target)
#endif
#define VERDICT (ap_subject > 0 && G_SUBJECT && G_BRANCH && G_REOPENED && G_ROLE && G_CONTRIBUTOR && G_WITHDRAWN && G_POLICY)

#ifdef NO_GATE
#define G_GATE true
#else
#define G_GATE (gate_given && G_ROLE && !frozen)
#endif

/* What has to be true where the intent is written: never by the words of the verdict above. */
inline intent_is_right() {
  assert(seen_subject == subject);
  assert(ap_branch == branch);
  assert(ap_reopened == reopened);
  assert(may_review);
  assert(!contributed);
  assert(!withdrawn);
  assert(POLICY_ALLOWS(target));
  assert(intent != PENDING)
}

/* --- carrying the merge out: any number of workers, each with its own token --------------- */

#ifdef NO_FENCE
#define MINE true
#else
#define MINE (mine == fence && intent == PENDING)
#endif

inline push() {
  atomic {
    if
#ifdef NO_LEASE
    :: true ->
#else
    :: tip == int_target ->
#endif
       assert(tip < OURS);             /* nobody's work is overwritten, ours neither */
       assert(tip == int_target);      /* what is merged was judged by what governs */
       tip = OURS
    :: else
    fi
  }
}

inline land() {
  atomic { !row && !log ->
    if
    :: MINE -> lands++; intent = LANDED; status = MERGED; deployment = PENDING; assert(lands == 1); assert(tip >= OURS)
    :: else
    fi }
}

inline give_back() {
  atomic { !row && !log ->
    if
    :: MINE -> intent = RETURNED; status = IN_REVIEW; version++; returns++; assert(tip < OURS)
    :: else
    fi }
}

inline carry_out() {
  look = tip;
#ifdef NO_TIP_DECIDES
  if
  :: look == int_target -> push(); arrived = (tip == OURS)
  :: else -> arrived = false
  fi;
#else
  if
  :: look == int_target -> push()
  :: else
  fi;
  if
  :: may_stop && crashes < 1 -> crashes++; goto stopped   /* between the push and its record */
  :: true
  fi;
  arrived = (tip >= OURS);
#endif
#ifdef NO_TIP_DECIDES
  if
  :: may_stop && crashes < 1 -> crashes++; goto stopped
  :: true
  fi;
#endif
  if
  :: arrived -> land()
  :: else -> give_back()
  fi;
}

/* --- when everybody has stopped, the next worker finds in the rows what is left ------------- */

active proctype Restart() {
  byte mine, look;
  bool arrived, may_stop = false;
  _nr_pr == 1;                         /* everybody else has ended */
#ifndef ONLY_IN_MEMORY
  if
  :: intent == PENDING -> fence++; mine = fence; carry_out()
  :: else
  fi;
#endif
stopped:
#ifdef REACHES  /* not a guard: what must be possible, or the rest would prove nothing */
#ifdef DEPLOYING_ONLY
  assert(deployment != DONE || !gate_given);
#else
  assert(status != MERGED);
#endif
#endif
#ifdef REACHES_RETURN
  assert(returns == 0);
#endif
  assert(!row && !log);
  assert(status != MERGING && intent != PENDING);     /* never lost */
  assert(entries == merges && merges == lands + returns);
#ifndef DEPLOYING_ONLY
  assert((tip >= OURS) == (status == MERGED));        /* never landed without a record */
#endif
  skip
}

active proctype Administrator() {
  if
  :: atomic { !log -> may_review = false }
  :: atomic { !log -> frozen = true }
  :: true
  fi
}

#ifndef DEPLOYING_ONLY
/* --- people: the row first; what is written shows with the entry in the log -------------- */

/* Takes the row if what follows is possible at all, and knows then that nobody else moves the change. */
#define BEGIN(possible) atomic { !row -> held = (status == IN_REVIEW && (possible)); row = held }

#ifdef NO_CURRENT
#define G_CURRENT true
#else
#define G_CURRENT (revision == number)
#endif

active proctype Approver() {
  byte shown, number, n = 0;
  bool held;
  do
  :: n < APPROVALS ->
     n++;
     atomic { shown = subject; number = revision };
     BEGIN(G_CURRENT);
     if
     :: held -> atomic { !log ->
          ap_subject = subject; ap_branch = branch; ap_reopened = reopened; seen_subject = shown; withdrawn = false; row = false }
     :: else
     fi;
     d_step { shown = 0; number = 0; held = false }
  :: break
  od
}

active proctype Withdrawer() {
  bool held;
  BEGIN(ap_subject > 0);                /* else it is too late */
  if
  :: held -> atomic { !log -> withdrawn = true; row = false }
  :: else
  fi
}

/* A push: by the author, by the reviewer, to another target, or the change given up and taken up again. */
active proctype Author() {
  byte n = 0;
  bool held;
  do
  :: n < PUSHES ->
     n++;
     BEGIN(true);
     if
     :: held -> atomic { !log ->
          if
          :: subject = 3 - subject
          :: subject = 3 - subject; contributed = true
          :: branch = 3 - branch
          :: reopened++
          fi;
          revision++; version++; row = false }
     :: else
     fi
  :: break
  od
}

/* Somebody pushes to the target past the portal, and the portal follows. */
active proctype Others() {
  if
  :: atomic { tip == 1 -> tip = 2 }
  :: atomic { tip == OURS -> tip = OURS + 1 }
  :: true
  fi
}

active proctype Follower() {
  bool held;
  BEGIN(tip < OURS && target != tip);
  if
  :: held -> atomic { !log -> target = tip; revision++; version++; row = false }
  :: else
  fi
}

/* --- the decision to merge ---------------------------------------------------------------- */

active [2] proctype Merger() {
  byte saw;
  bool held, allowed;
#ifdef NO_SWAP
  atomic { held = (status == IN_REVIEW && intent != PENDING); saw = version };
#else
  atomic { !row -> held = (status == IN_REVIEW && intent != PENDING); saw = version; row = held };
#endif
  if
  :: held ->
#ifndef NO_LOG_LOCK
     LOCK_LOG;
#endif
     atomic { allowed = VERDICT };
#ifdef NO_LOG_LOCK
     LOCK_LOG;  /* only to write the entry */
#endif
     if
     :: allowed ->
        atomic {
          if
#ifdef NO_SWAP
          :: true ->
#else
          :: status == IN_REVIEW && version == saw ->
#endif
             intent_is_right();
             status = MERGING; version++;
             entries++;
#ifdef NO_ONE_TRANSACTION
             owed = true
#else
             int_subject = subject; int_branch = branch; int_target = target;
             intent = PENDING; merges++
#endif
          :: else
          fi
        };
#ifdef NO_ONE_TRANSACTION
        if
        :: !crashed_once -> crashed_once = true
        :: owed -> atomic { intent = PENDING; int_subject = subject; int_branch = branch; int_target = target; merges++ }
        fi
#endif
     :: else
     fi;
#ifdef NO_SWAP
     log = false
#else
     d_step { log = false; row = false; allowed = false; saw = 0 }
#endif
  :: else
  fi
}

active [2] proctype Carrier() {
  byte mine, look;
  bool arrived;
  bool may_stop = true;
  if
  :: atomic { intent == PENDING -> fence++; mine = fence }
  :: true -> goto stopped
  fi;
  carry_out();
stopped:
  skip
}

#endif
#ifndef MERGING_ONLY
/* --- starting the deployment -------------------------------------------------------------- */

active [2] proctype Starter() {
  bool ready;
  if
  :: deployment == PENDING
  :: true -> goto ended
  fi;
  ready = G_GATE;                      /* the first look, without locks */
  if
  :: ready ->
#ifndef NO_SECOND_LOOK
     LOCK_ROW;
     LOCK_LOG;
#ifndef NO_CLAIM
     if
     :: deployment == PENDING -> ready = G_GATE
     :: else -> ready = false
     fi;
#else
     ready = G_GATE;
#endif
#else
     LOCK_ROW;
     LOCK_LOG;
     ready = (deployment == PENDING);
#endif
     if
     :: ready ->
        atomic {
          claims++; deployment = CLAIMED;
          assert(claims == 1); assert(gate_given); assert(may_review); assert(!frozen)
        }
     :: else
     fi;
     log = false; row = false
  :: else
  fi;
ended:
  skip
}

active proctype Gatekeeper() {
  /* The approval of the environment comes when the change is merged, or never. */
  if
  :: deployment == PENDING -> atomic { !row && !log -> gate_given = may_review }
  :: true
  fi
}

/* --- running it: what was begun is never begun again --------------------------------------- */

#ifdef NO_RUN_FENCE
#define HOLDS(state) true
#else
#define HOLDS(state) (mine == dep_fence && deployment == state)
#endif

active [2] proctype Runner() {
  byte mine;
  if
  :: atomic { (deployment == CLAIMED || deployment == RUNNING) -> dep_fence++; mine = dep_fence }
  :: true -> goto ended
  fi;
  if
  :: deployment == CLAIMED -> atomic {
       if
       :: mine == dep_fence && deployment == CLAIMED -> deployment = RUNNING
       :: else -> goto ended
       fi }
  :: else
  fi;
  atomic {
    if
#ifdef NO_MARK
    :: true
#else
    :: !mark
#endif
       -> mark = true; runs++; assert(runs == 1)
    :: else
    fi
  };
  if
  :: crashes < 1 -> crashes++; goto ended     /* started, not recorded */
  :: true
  fi;
  atomic {
    if
    :: HOLDS(RUNNING) -> deployment = DONE; ends++; assert(ends == 1)
    :: else
    fi
  };
ended:
  skip
}
#endif
