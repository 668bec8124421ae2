/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, for faults*.c alone.  Each is one action of the table in
 * faults.c, with random numbers of its own. */
#ifndef TEST_CAMPAIGN_FAULTS_H
#define TEST_CAMPAIGN_FAULTS_H 1

#include "campaign.h"

#define SIZEOF(ARRAY) (sizeof(ARRAY) / sizeof(ARRAY)[0])

/* Pick one; NULL: there is none. */
struct sim_pf *any_pf(struct campaign *, struct rng *);
struct sim_vf *any_vf(struct campaign *, struct rng *);

/* faults-kernel.c */
void fault_fail_step(struct campaign *, struct rng *);
void fault_fail_observe(struct campaign *, struct rng *);
void fault_hang(struct campaign *, struct rng *);
void fault_slow_down(struct campaign *, struct rng *);
void fault_speed_up(struct campaign *, struct rng *);
void fault_disturb_events(struct campaign *, struct rng *);
void fault_reset_pf(struct campaign *, struct rng *);
void fault_remove_pf(struct campaign *, struct rng *);
void fault_rename_netdev(struct campaign *, struct rng *);

/* faults-people.c */
void fault_vanish_vdpa(struct campaign *, struct rng *);
void fault_hold(struct campaign *, struct rng *);
void fault_go_away(struct campaign *, struct rng *);
void fault_others_change_pf(struct campaign *, struct rng *);
void fault_others_make_vfs(struct campaign *, struct rng *);
void fault_others_change_vf(struct campaign *, struct rng *);
void fault_unload_module(struct campaign *, struct rng *);
void fault_kill_daemon(struct campaign *, struct rng *);
void fault_lose_record(struct campaign *, struct rng *);
void fault_command(struct campaign *, struct rng *);

/* faults-database.c */
void fault_stop_server(struct campaign *, struct rng *);
void fault_disturb_commits(struct campaign *, struct rng *);
void fault_renew_database(struct campaign *, struct rng *);
void fault_stop_vswitchd(struct campaign *, struct rng *);
void fault_meddle_with_ports(struct campaign *, struct rng *);

#endif
