/* SPDX-License-Identifier: Apache-2.0 */
/* Plays two guests: opens two vhost-vdpa char devices, negotiates features,
 * sets up a receive and a transmit queue on each as a guest's driver would,
 * sends frames from the first to the second and counts what arrives.
 *
 * usage: vhost-guest /dev/vhost-vdpa-A /dev/vhost-vdpa-B
 *
 * Prints "received N of 20"; exit status 0 if all arrived. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { RX, TX, N_QUEUES };
enum { RING = 64, BUFFER = 2048, N_FRAMES = 20, LIMIT_S = 60 };

#define HEADER sizeof(struct virtio_net_hdr_v1)

struct queue {
    struct vring ring;
    int kick, call;
    uint16_t avail, used; /* Free running, as the rings' indexes. */
    uint8_t *buffers;     /* RING of BUFFER bytes. */
};

struct guest {
    int fd;
    uint8_t *memory;
    size_t size;
    uint8_t mac[6];
    struct queue queues[N_QUEUES];
};

static void __attribute__((noreturn)) die(const char *what)
{
    fprintf(stderr, "vhost-guest: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void
control(const struct guest *g, unsigned long request, void *arg,
        const char *what)
{
    if (ioctl(g->fd, request, arg) < 0) {
        die(what);
    }
}

static void
add_status(const struct guest *g, uint8_t bits)
{
    uint8_t status;

    control(g, VHOST_VDPA_GET_STATUS, &status, "get status");
    status |= bits;
    control(g, VHOST_VDPA_SET_STATUS, &status, "set status");
}

static void
negotiate(const struct guest *g)
{
    const uint64_t wanted = UINT64_C(1) << VIRTIO_F_VERSION_1
                            | UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM
                            | UINT64_C(1) << VIRTIO_NET_F_MAC;
    uint64_t features;

    control(g, VHOST_SET_OWNER, NULL, "set owner");
    control(g, VHOST_GET_BACKEND_FEATURES, &features, "backend features");
    features &= UINT64_C(1) << VHOST_BACKEND_F_IOTLB_MSG_V2;
    control(g, VHOST_SET_BACKEND_FEATURES, &features, "backend features");
    add_status(g, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
    control(g, VHOST_GET_FEATURES, &features, "get features");
    features &= wanted;
    control(g, VHOST_SET_FEATURES, &features, "set features");
    add_status(g, VIRTIO_CONFIG_S_FEATURES_OK);
}

static void
read_mac(struct guest *g)
{
    struct vhost_vdpa_config *config = calloc(1, sizeof *config + 6);

    config->off = 0;
    config->len = 6;
    control(g, VHOST_VDPA_GET_CONFIG, config, "get config");
    memcpy(g->mac, config->buf, 6);
    free(config);
}

/* Makes all of the guest's memory known to the device, at its own address. */
static void
map_memory(const struct guest *g)
{
    struct vhost_msg_v2 message = {
        .type = VHOST_IOTLB_MSG_V2,
        .iotlb = { .iova = (uintptr_t) g->memory,
                   .size = g->size,
                   .uaddr = (uintptr_t) g->memory,
                   .perm = VHOST_ACCESS_RW,
                   .type = VHOST_IOTLB_UPDATE },
    };

    if (write(g->fd, &message, sizeof message) != sizeof message) {
        die("map memory");
    }
}

static void
set_up_queue(struct guest *g, unsigned int index, uint8_t *at)
{
    struct queue *q = &g->queues[index];
    struct vhost_vring_state state = { .index = index };
    struct vhost_vring_file file = { .index = index };

    vring_init(&q->ring, RING, at, 4096);
    q->buffers = at + 16384;
    struct vhost_vring_addr address = {
        .index = index,
        .desc_user_addr = (uintptr_t) q->ring.desc,
        .avail_user_addr = (uintptr_t) q->ring.avail,
        .used_user_addr = (uintptr_t) q->ring.used,
    };

    q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    q->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    state.num = RING;
    control(g, VHOST_SET_VRING_NUM, &state, "ring size");
    state.num = 0;
    control(g, VHOST_SET_VRING_BASE, &state, "ring base");
    control(g, VHOST_SET_VRING_ADDR, &address, "ring address");
    file.fd = q->kick;
    control(g, VHOST_SET_VRING_KICK, &file, "ring kick");
    file.fd = q->call;
    control(g, VHOST_SET_VRING_CALL, &file, "ring call");
    state.num = 1;
    control(g, VHOST_VDPA_SET_VRING_ENABLE, &state, "ring enable");
}

/* Hands buffer 'slot' with 'len' bytes to the device. */
static void
offer(struct queue *q, uint16_t slot, uint32_t len, bool writable)
{
    q->ring.desc[slot] = (struct vring_desc){
        .addr = (uintptr_t) (q->buffers + (size_t) slot * BUFFER),
        .len = len,
        .flags = writable ? VRING_DESC_F_WRITE : 0,
    };
    q->ring.avail->ring[q->avail % RING] = slot;
    q->avail++;
    __atomic_store_n(&q->ring.avail->idx, q->avail, __ATOMIC_RELEASE);
    if (eventfd_write(q->kick, 1)) {
        die("kick");
    }
}

/* Takes back the next buffer that the device is done with; -1: none. */
static int
take(struct queue *q)
{
    if (__atomic_load_n(&q->ring.used->idx, __ATOMIC_ACQUIRE) == q->used) {
        return -1;
    }
    return (int) q->ring.used->ring[q->used++ % RING].id;
}

static void
open_guest(struct guest *g, const char *path)
{
    const size_t per_queue = 16384 + (size_t) RING * BUFFER;

    memset(g, 0, sizeof *g);
    g->fd = open(path, O_RDWR | O_CLOEXEC);
    if (g->fd < 0) {
        die(path);
    }
    g->size = N_QUEUES * per_queue;
    g->memory = mmap(NULL, g->size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (g->memory == MAP_FAILED) {
        die("mmap");
    }
    negotiate(g);
    read_mac(g);
    map_memory(g);
    for (unsigned int i = 0; i < N_QUEUES; i++) {
        set_up_queue(g, i, g->memory + i * per_queue);
    }
    add_status(g, VIRTIO_CONFIG_S_DRIVER_OK);
    for (int i = 0; i < RING; i++) {
        offer(&g->queues[RX], (uint16_t) i, BUFFER, true);
    }
}

/* A frame with a local experimental EtherType, number 'i'. */
static void
send_frame(struct guest *from, const struct guest *to, uint16_t i)
{
    struct queue *q = &from->queues[TX];
    uint8_t *frame = q->buffers + (size_t) (i % RING) * BUFFER;

    memset(frame, 0, HEADER + 60);
    memcpy(frame + HEADER, to->mac, 6);
    memcpy(frame + HEADER + 6, from->mac, 6);
    frame[HEADER + 12] = 0x88;
    frame[HEADER + 13] = 0xb5;
    frame[HEADER + 14] = (uint8_t) i;
    offer(q, (uint16_t) (i % RING), HEADER + 60, false);
    while (take(q) >= 0) {
        /* Sent; the slot is used again by its number. */
    }
}

/* Waits up to 'ms' for one of our frames; its number, or -1. */
static int
receive(struct guest *g, int ms)
{
    struct queue *q = &g->queues[RX];
    struct pollfd pfd = { .fd = q->call, .events = POLLIN };
    eventfd_t ignored;

    for (;;) {
        int slot = take(q);

        if (slot >= 0) {
            const uint8_t *frame = q->buffers + (size_t) slot * BUFFER
                                   + HEADER;
            bool ours = frame[12] == 0x88 && frame[13] == 0xb5;
            int number = frame[14];

            offer(q, (uint16_t) slot, BUFFER, true);
            if (ours) {
                return number;
            }
        } else if (poll(&pfd, 1, ms) <= 0) {
            return -1;
        } else {
            (void) eventfd_read(q->call, &ignored);
        }
    }
}

int
main(int argc, char *argv[])
{
    const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
    struct guest a, b;
    bool seen[N_FRAMES] = { false };
    int n = 0;

    if (argc != 3) {
        fprintf(stderr, "usage: vhost-guest CHARDEV CHARDEV\n");
        return 2;
    }
    (void) setrlimit(RLIMIT_MEMLOCK, &unlimited);
    open_guest(&a, argv[1]);
    open_guest(&b, argv[2]);

    time_t end = time(NULL) + LIMIT_S;

    /* The first ones take the slow path and may be lost while the flow is
     * being set up: each is repeated until it arrives. */
    for (int i = 0; i < N_FRAMES && time(NULL) < end;) {
        send_frame(&a, &b, (uint16_t) i);

        int number = receive(&b, 500);

        if (number >= 0 && number < N_FRAMES && !seen[number]) {
            seen[number] = true;
            n++;
        }
        i += seen[i];
    }
    printf("received %d of %d\n", n, N_FRAMES);
    close(a.fd);
    close(b.fd);
    return n == N_FRAMES ? 0 : 1;
}
