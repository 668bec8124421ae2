// SPDX-License-Identifier: GPL-2.0
/*
 * Storage of flow rules: by cookie for TC, by masked key for packets.
 *
 * Changed under RTNL, read by the data path under RCU.  Both look-ups are
 * hash tables: a list makes inserting 30,000 rules seven times slower.
 */
#include "eswitch.h"

static const struct rhashtable_params cookie_params = {
	.head_offset = offsetof(struct twin_rule, by_cookie),
	.key_offset = offsetof(struct twin_rule, cookie),
	.key_len = sizeof_field(struct twin_rule, cookie),
	.automatic_shrinking = true,
};

static const struct rhashtable_params key_params = {
	.head_offset = offsetof(struct twin_rule, by_key),
	.key_offset = offsetof(struct twin_rule, key),
	.key_len = sizeof_field(struct twin_rule, key),
	.automatic_shrinking = true,
};

static void apply_mask(struct twin_key *to, const struct twin_key *key,
		       const struct twin_key *mask)
{
	const u64 *k = (const u64 *)key, *m = (const u64 *)mask;
	u64 *t = (u64 *)to;
	size_t i;

	for (i = 0; i < sizeof(*to) / sizeof(u64); i++)
		t[i] = k[i] & m[i];
}

struct twin_table *twin_table_new(struct twin_pf *pf)
{
	struct twin_table *table = kzalloc(sizeof(*table), GFP_KERNEL);

	if (!table)
		return NULL;
	table->pf = pf;
	INIT_LIST_HEAD(&table->groups);
	if (rhashtable_init(&table->by_cookie, &cookie_params)) {
		kfree(table);
		return NULL;
	}
	return table;
}

/* The caller makes sure that no packet uses the table any more. */
void twin_table_free(struct twin_table *table)
{
	twin_table_flush(table);
	rhashtable_destroy(&table->by_cookie);
	kfree(table);
}

void twin_rule_free(struct twin_rule *rule)
{
	unsigned int i;

	for (i = 0; i < rule->n_acts; i++)
		if (rule->acts[i].kind == TWIN_ACT_TUNNEL_SET)
			kfree(rule->acts[i].tunnel);
	kfree(rule);
}

static void rule_free_rcu(struct rcu_head *head)
{
	twin_rule_free(container_of(head, struct twin_rule, rcu));
}

/* Needs process context: an rhltable cannot be destroyed in a callback. */
static void group_free(struct twin_group *group)
{
	list_del_rcu(&group->list);
	synchronize_rcu_expedited();
	rhltable_destroy(&group->rules);
	kfree(group);
}

static struct twin_group *group_get(struct twin_table *table, u32 prio,
				    const struct twin_key *mask)
{
	struct twin_group *group, *new;
	struct list_head *after = &table->groups;

	list_for_each_entry(group, &table->groups, list) {
		if (group->prio > prio)
			break;
		if (group->prio == prio &&
		    !memcmp(&group->mask, mask, sizeof(*mask)))
			return group;
		after = &group->list;
	}
	new = kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return NULL;
	new->prio = prio;
	new->mask = *mask;
	if (rhltable_init(&new->rules, &key_params)) {
		kfree(new);
		return NULL;
	}
	list_add_rcu(&new->list, after);
	return new;
}

/*
 * Takes @rule over on success.  Two rules may have one key: TC replaces a
 * filter by inserting the new one before it removes the old.
 */
int twin_table_insert(struct twin_table *table, struct twin_rule *rule,
		      u32 prio, const struct twin_key *mask)
{
	struct twin_group *group;
	struct twin_key key;
	int err;

	ASSERT_RTNL();
	group = group_get(table, prio, mask);
	if (!group)
		return -ENOMEM;
	apply_mask(&key, &rule->key, mask);
	rule->key = key;
	rule->group = group;
	err = rhashtable_insert_fast(&table->by_cookie, &rule->by_cookie,
				     cookie_params);
	if (err)
		goto fail;
	err = rhltable_insert(&group->rules, &rule->by_key, key_params);
	if (err) {
		rhashtable_remove_fast(&table->by_cookie, &rule->by_cookie,
				       cookie_params);
		goto fail;
	}
	group->n_rules++;
	table->n_rules++;
	atomic_inc(&table->pf->n_rules);
	return 0;

fail:
	if (!group->n_rules)
		group_free(group);
	return err;
}

struct twin_rule *twin_table_find(struct twin_table *table,
				  unsigned long cookie)
{
	return rhashtable_lookup_fast(&table->by_cookie, &cookie,
				      cookie_params);
}

void twin_table_remove(struct twin_table *table, struct twin_rule *rule)
{
	struct twin_group *group = rule->group;

	ASSERT_RTNL();
	rhashtable_remove_fast(&table->by_cookie, &rule->by_cookie,
			       cookie_params);
	rhltable_remove(&group->rules, &rule->by_key, key_params);
	call_rcu(&rule->rcu, rule_free_rcu);
	table->n_rules--;
	atomic_dec(&table->pf->n_rules);
	if (!--group->n_rules)
		group_free(group);
}

/* Takes RTNL if there is anything to remove. */
void twin_table_flush(struct twin_table *table)
{
	struct rhashtable_iter iter;
	struct twin_rule *rule;

	if (!table->n_rules)
		return;
	rtnl_lock();
	while (table->n_rules) {
		rhashtable_walk_enter(&table->by_cookie, &iter);
		rhashtable_walk_start(&iter);
		do {
			rule = rhashtable_walk_next(&iter);
		} while (IS_ERR(rule));
		rhashtable_walk_stop(&iter);
		rhashtable_walk_exit(&iter);
		if (!rule)
			break;
		twin_table_remove(table, rule);
	}
	rtnl_unlock();
}

/* The rule that a packet with @key hits, or NULL.  RCU. */
struct twin_rule *twin_table_lookup(struct twin_table *table,
				    const struct twin_key *key)
{
	struct twin_group *group;
	struct twin_key masked;

	list_for_each_entry_rcu(group, &table->groups, list) {
		struct rhlist_head *list;

		apply_mask(&masked, key, &group->mask);
		list = rhltable_lookup(&group->rules, &masked, key_params);
		if (list)
			return container_of(list, struct twin_rule, by_key);
	}
	return NULL;
}
