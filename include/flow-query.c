/* SPDX-License-Identifier: Apache-2.0 */
#include <vdpad/flow-query.h>

#include <errno.h>

bool
vdpad_probe_is_refusal(int error)
{
    switch (error) {
    case 0:
    case -EEXIST:
    case -ENOENT:
    case -EBUSY:
    case -ENOMSG:
    case -ETIMEDOUT:
    case -EAGAIN:
    case -EINTR:
    case -EIO:
    case -EBADMSG:
        return false;
    default:
        return true;
    }
}
