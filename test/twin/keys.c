// SPDX-License-Identifier: GPL-2.0
/*
 * twin_keys: holds the kernel's static keys that networking flips often.
 *
 * A key is flipped by rewriting code while other processors run it.  QEMU
 * before 8.1 can lose such a write when it emulates several processors in
 * parallel: a processor goes on with a stale translation, and the kernel dies
 * of a break point that is no longer there ("Oops: int3").  Keys that are held
 * here stay on, so that pings, TC filters and tunnels do not flip them.
 */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/ip_tunnels.h>
#include <net/pkt_cls.h>

static int __init keys_init(void)
{
	net_enable_timestamp();
	net_inc_ingress_queue();
	net_inc_egress_queue();
	ip_tunnel_need_metadata();
	static_branch_inc(&tcf_sw_enabled_key);
	return 0;
}

static void __exit keys_exit(void)
{
	static_branch_dec(&tcf_sw_enabled_key);
	ip_tunnel_unneed_metadata();
	net_dec_egress_queue();
	net_dec_ingress_queue();
	net_disable_timestamp();
}

module_init(keys_init);
module_exit(keys_exit);

MODULE_DESCRIPTION("keeps networking's static keys on, for emulators");
MODULE_LICENSE("GPL");
