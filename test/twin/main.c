// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
static int __init twin_init(void) { return 0; }
static void __exit twin_exit(void) { }
module_init(twin_init);
module_exit(twin_exit);
MODULE_LICENSE("GPL");
