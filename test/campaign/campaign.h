/* SPDX-License-Identifier: Apache-2.0 */
/* Random schedules of what happens to the daemon's core: see README.md.
 *
 * A schedule is a host and a list of actions, both made of one seed.  Each
 * action has random numbers of its own, so that one can be left out without
 * any change of the others: that is how a failing schedule is made shorter. */
#ifndef TEST_CAMPAIGN_H
#define TEST_CAMPAIGN_H 1

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "controller/ctl.h"
#include "test/fake/fake-db.h"
#include "test/fake/fake-kernel.h"

#define MS INT64_C(1000000)
#define SEC (1000 * MS)

#define MAX_ACTIONS 64
#define N_POLICIES 3
#define N_PORTS 2
#define N_PFS 2
#define N_VFS 8 /* Of one PF, at most. */

/* SplitMix64. */
struct rng {
    uint64_t state;
};
uint32_t any(struct rng *, uint32_t n); /* 0 … n - 1 */
bool chance(struct rng *, uint32_t percent);

struct action {
    uint32_t kind; /* Index into the table of actions. */
    int64_t gap_ns;
    uint64_t seed;
    bool is_out; /* Left out. */
};

struct campaign;

/* What happens later by itself. */
struct later {
    int64_t when_ns; /* 0: free. */
    void (*what)(struct campaign *, const struct later *);
    struct vdpad_act act; /* Or whatever else it takes. */
};
#define MAX_LATER 64

/* What is wanted of the database: the operator's mind. */
struct intent {
    char policies[N_POLICIES][256]; /* "": no key. */
    char ports[N_PORTS][128];
    char attach[16], bridge[16], hw_offload[8], suspended[64], junk[16];
};

/* What is known of one VF, whatever becomes of the daemon. */
struct vf_truth {
    bool is_ready;      /* Seen ready, and nothing has changed since. */
    bool is_unbound;    /* Others took its driver away. */
    int64_t changed_ns; /* When something last did. */
    int64_t held_ns;    /* In use since; 0: not. */
    char wish[320];     /* What was asked for last. */
};

struct tally {
    uint64_t schedules, compared, configured, second_runs, refused, facts,
        excused, ready, actions, turns, steps, commits, failures, kills, stuck,
        requests;
    int64_t simulated_ns;
};
extern struct tally tally;

/* One step, to see how often it is tried. */
struct tries {
    char key[VDPAD_NAME_SIZE + 32];
    unsigned int n;          /* Since something changed last. */
    int64_t at_ns[20];       /* A ring. */
    unsigned int n_calm;     /* Since the faults have ceased. */
    unsigned int failures;   /* Likewise, in a row. */
    int64_t last_ns, gap_ns; /* The last one, and from the one before it. */
};
#define MAX_TRIES 256

enum dying {
    DYING_NOT,
    DYING_BEFORE_RECORD,
    DYING_AFTER_RECORD,
    DYING_IN_KERNEL, /* While a helper process is at a step. */
};

struct campaign {
    uint64_t seed;
    bool is_faulty; /* Else the run that it is compared with. */
    bool is_verbose;
    struct rng host_rng;
    struct action actions[MAX_ACTIONS];
    size_t n_actions;
    struct later later[MAX_LATER];

    int64_t now_ns;
    char dir[64], sim_path[96], record_path[96];
    struct sim *sim; /* Lives on when the daemon dies. */
    struct fake_db *db;
    struct vdpad_kernel *fake; /* NULL: the daemon is dead. */
    struct vdpad_kernel guard_kernel;
    struct vdpad_store *client;
    struct vdpad_store guard_store;
    struct vdpad_ctl *ctl;
    int64_t restart_ns; /* Of a dead daemon. */
    enum dying dying;
    unsigned int dying_after; /* So many batches and transactions. */

    struct intent intent;
    uint64_t intent_version; /* Of the database since it is written. */
    char suspended[64];      /* Likewise, or by a command. */
    struct vf_truth vfs[N_PFS][N_VFS];
    bool is_meddled[N_PFS][N_VFS];    /* With the port of this VF. */
    bool is_forced[N_POLICIES + 1];   /* Torn down by force; the last: all. */
    int64_t suspended_ns[N_POLICIES]; /* When it was suspended last. */
    bool is_pf_ready[N_PFS];          /* As of VFs. */
    bool has_others_vfs[N_PFS];       /* VFs that are not ours. */
    bool is_reconciled[N_PFS];        /* What others make is to be undone. */
    unsigned int asked_vfs[N_PFS];    /* Numbers asked for, as bits. */
    bool is_unseen[N_PFS];            /* VFs that nobody knows to be made. */
    bool is_record_lost;   /* Nothing counts as ours from then on. */
    bool is_host_changed;  /* Others have made VFs: no comparison. */
    bool is_db_renewed;    /* The database was lost once. */
    bool are_ports_others; /* Others meddled with ports: no comparison. */
    bool is_uplink_away, is_pf_away;
    bool host_pfs[N_PFS];   /* Others had set something up on them, */
    int host_numvfs[N_PFS]; /* such as so many VFs. */
    int host_autoprobes[N_PFS];
    bool host_features[N_PFS]; /* hw-tc-offload of their uplinks. */
    int64_t lag_ns;            /* How late events can be at most. */
    int64_t last_step_ns;
    int64_t worst_ns;          /* When events were last as late as that. */
    int64_t vswitchd_ns;       /* Its next look; INT64_MAX: it is down. */
    uint64_t vswitchd_version; /* Of the database when it last looked. */
    int64_t last_ofport;

    struct asked *asked; /* Batches under way. */
    struct tries tries[MAX_TRIES];
    size_t n_tries;
    bool is_calm;      /* The faults have ceased. */
    const char *quiet; /* Who is to do nothing now; NULL: nobody. */
    unsigned int n_asked_modes[N_PFS]; /* See calm_may_ask(). */
    unsigned int n_requests;           /* Commands without an answer. */
    unsigned int n_suspends;
    uint64_t turns_at; /* Turns since second 'turns_s'. */
    int64_t turns_s;

    jmp_buf *failed;
    char failure[512];
    FILE *trace;
};

/* The one under way: its clock is the daemon's. */
extern struct campaign *the_campaign;
int64_t campaign_clock_ns(void);

/* Ends the schedule as failed. */
void campaign_fail(struct campaign *, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));
void campaign_trace(struct campaign *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* host.c: the host and what is seen of it. */
void host_make(struct campaign *);
void host_forget(struct campaign *);
struct vf_truth *host_vf_truth(struct campaign *, const char *bdf);
struct sim_vdpa *host_vdpa_of(struct campaign *, const char *bdf);
void host_note_holders(struct campaign *);
bool host_is_held(struct campaign *, const char *bdf);
void host_run_vswitchd(struct campaign *);

const char *host_state_of(struct campaign *, const char *bdf);

/* wishes.c: what the keys ask for. */
struct vf_wish {
    bool is_vdpa, is_vhost, is_virtio, is_vfio, has_mac, has_base_mac;
    bool has_max_vqp;
    unsigned int mtu, max_vqp; /* 0: none, or (max_vqp) as many as can be. */
    bool is_name_shared;       /* Another policy gives the same name. */
    bool is_attached;          /* Whatever logical ports there are. */
    bool has_port;             /* A logical port names it; */
    bool may_have_port;        /* one may be put on it. */
};
struct pf_wish {
    bool is_managed;
    bool is_ours, is_external; /* Not, and all by others. */
    bool is_vdpa, has_mode;
    int numvfs; /* -1: none says. */
};
void wish_for_vf(const struct campaign *, int pf, int vf, struct vf_wish *);
void wish_for_pf(const struct campaign *, int pf, struct pf_wish *);
bool wish_is_suspended(const char *suspended, unsigned int policy);
bool wish_for_offload(const struct campaign *);
/* What bears on VF 'vf' of all that is asked for. */
void wish_text(const struct campaign *, int pf, int vf, char *text,
               size_t size);

/* ends.c: what a run ends with. */
#define MAX_FACTS 512
struct fact {
    char object[24], field[16], value[160];
    const char *why; /* It may be otherwise; NULL: it must not. */
};
struct end {
    size_t n;
    struct fact facts[MAX_FACTS];
};
extern const char end_is_theirs[]; /* As a fact's 'why'. */
struct end *end_of(struct campaign *);
size_t end_compare(const struct end *with, const struct end *without,
                   char *text, size_t size);
/* Whether nothing has changed, for whatever reason; else 'text' says what. */
bool end_is_same(const struct end *, const struct end *, char *text,
                 size_t size);

/* promises.c: what the manual promises of an end. */
void promises_check(struct campaign *);
void promises_check_withdrawn(struct campaign *, const struct end *first,
                              const struct end *last);

/* guard.c: the ports as the daemon has them, which check what it does. */
void guard_set_up(struct campaign *);
void guard_forget_asked(struct campaign *);

/* tries.c: how often each step is tried. */
void tries_forget(struct campaign *); /* Something has changed. */
/* Counts one; fails when it is too soon. */
void tries_count(struct campaign *, const char *action, const char *object);
void tries_note_end(struct campaign *, const struct vdpad_act *, int error);
void tries_note_plan(struct campaign *);
/* Between the last two tries of a step; INT64_MAX: there were none. */
int64_t tries_last_gap_ns(const struct campaign *, const char *action,
                          const char *object);

/* daemon.c: its life, and time. */
void daemon_start(struct campaign *);
void daemon_kill(struct campaign *, struct rng *, int64_t restart_ns);
void campaign_run_for(struct campaign *, int64_t ns);
/* False: there is no room for it. */
bool campaign_later(struct campaign *, int64_t ns,
                    void (*what)(struct campaign *, const struct later *),
                    const struct vdpad_act *act);

/* changes.c: something has changed that bears on what devices should be, or
 * whether they are: on one VF, all of a PF, all that 'object' (a PF, VF, vDPA
 * device, netdev or module) has to do with, all. */
void changed_vf(struct campaign *, int pf, int vf);
void changed_pf(struct campaign *, int pf);
void changed_object(struct campaign *, const char *object);
void changed_all(struct campaign *);
/* On those VFs of which something else is asked for than before. */
void changed_wishes(struct campaign *);
/* At each turn: the key vdpa-suspended, which commands write, and how late
 * events can be. */
void changes_note_suspended(struct campaign *);
/* Whether a command has asked, in this life of the daemon, for devices of
 * policy 'name' to be taken down by force, and nothing has ended that. */
bool changes_is_forced(const struct campaign *, const char *name);
void changes_note_lag(struct campaign *);

/* Nothing is under way and nothing is to come. */
bool daemon_is_settled(struct campaign *);

/* calm.c: after the faults. */
/* Runs until nothing is left to do, or only what the host refuses for good. */
void calm(struct campaign *);
/* A settled daemon does nothing, nor does one that starts anew, which calls
 * everything by the same names. */
void calm_check_second_run(struct campaign *);
/* Whether the driver refuses another mode while there are the VFs that there
 * are. */
bool calm_is_mode_fixed(const struct campaign *, int pf);
/* Whether this step may be asked for although there is nothing to do. */
bool calm_may_ask(struct campaign *, const char *action, const char *object);
void calm_print(struct campaign *); /* Plan and states, to the trace. */

/* actions.c, faults.c */
struct action_kind {
    const char *name;
    unsigned int weight;
    bool is_intent; /* Done without faults as well. */
    void (*act)(struct campaign *, struct rng *);
};
extern const struct action_kind intent_kinds[], fault_kinds[];
extern const size_t n_intent_kinds, n_fault_kinds;
const struct action_kind *action_kind(const struct action *);
void intent_write(struct campaign *);
void intent_withdraw(struct campaign *);
void faults_end(struct campaign *);

/* schedule.c: one schedule; false when it failed. */
void schedule_make(struct campaign *, uint64_t seed);
bool schedule_run(const struct campaign *plan, char *failure, size_t size,
                  FILE *trace);

#endif
