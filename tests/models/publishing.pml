/* The audit log and its published copy, as the code writes them (docs/adr/0024).
 *
 * A writer, two publishers without any lease between them, a crash of either, an older database that is restored once while everything is
 * stopped, and somebody who rewrites an entry once. An entry's hash covers all before it, so an entry is a number that nobody else gets.
 *
 * -DNO_… takes one guard out; what then must not happen is found by an assertion (tests/models/test_models_publishing.py). -DREACHES shows that all gets published.
 */
#define MOST 3
#ifdef NO_SWAP
#define UNMOVED true
#else
#define UNMOVED (ref == old_ref)
#endif

byte fresh = 0;                     /* the last number given */
byte db[MOST], head = 0;            /* the rows, and how many */
byte kept[MOST], kept_head = 0;     /* a backup of them */
bool backed_up = false, restored = false, rewritten = false;
byte pub[MOST], size = 0, ref = 0;  /* the published log; ref counts its moves, as a commit's name would */
bool held = false, current = false; /* AuditHead.held; whether the writer's process has looked */
byte life = 0;                      /* of all processes: a restart ends what was under way */

inline append() {
    fresh++;
    assert(head >= size);                     /* nothing is added where something else is published */
    assert(!held);
    db[head] = fresh;
    head++
}

active proctype writer() {
    do
    :: atomic { head < MOST && fresh < MOST + 2 ->
        if
        :: held
#ifdef NO_HELD
           -> append()
#endif
        :: !held && (current || size <= head) -> current = true; append()
        :: !held && !current && size > head
#ifdef NO_LOOK
           -> append()
#endif
        fi }
    :: atomic { !backed_up -> d_step { backed_up = true; kept_head = head; kept[0] = db[0]; kept[1] = db[1]; kept[2] = db[2] } }
    :: atomic { backed_up && !restored -> d_step { restored = true; head = kept_head; db[0] = kept[0]; db[1] = kept[1]; db[2] = kept[2];
                current = false; held = false; life++ } }
    :: atomic { !rewritten && head > 0 && size >= head -> d_step { rewritten = true; fresh++; db[head - 1] = fresh } }
    :: atomic { head == MOST && fresh >= MOST + 2 -> break }
    od
}

active [2] proctype publisher() {
    byte old_ref, old_size, new_size, mine, i;
    byte grown[MOST];
    do
    :: atomic { mine = life; old_ref = ref; old_size = size; i = 0;     /* read(): one commit is one moment */
                do :: i < MOST -> grown[i] = (i < size -> pub[i] : 0); i++ :: else -> break od }
       atomic { new_size = head;
                if
#ifndef NO_BEHIND
                :: new_size < old_size -> held = true; goto again
#endif
#ifndef NO_COMPARISON
                :: new_size >= old_size && old_size > 0 && db[old_size - 1] != grown[old_size - 1] -> held = true; goto again
#endif
                :: else
                fi;
                assert(old_size == 0 || new_size < old_size || db[old_size - 1] == grown[old_size - 1]);   /* what goes on is one log */
                i = old_size;
                do :: i < new_size -> grown[i] = db[i]; i++ :: else -> break od }
       if
       :: true                                                          /* K15, K16: killed, the commit leads nowhere */
       :: atomic { mine == life && new_size != old_size && UNMOVED ->
                   i = 0;
                   do :: i < size -> assert(i < new_size && grown[i] == pub[i]); i++ :: else -> break od;   /* I12: it only grows */
                   i = 0;
                   do :: i < MOST -> pub[i] = (i < new_size -> grown[i] : 0); i++ :: else -> break od;
                   size = new_size; ref++ }
#ifdef REACHES
           assert(!(size == MOST && restored))
#endif
       :: mine != life || new_size == old_size || ref != old_ref        /* another one was faster: read anew */
       fi;
again:
       skip
    :: ref > 6 -> break
    :: head == MOST -> break
    od
}
