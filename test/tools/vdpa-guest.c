/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest without a hypervisor: drives a vhost-vdpa character device as QEMU
 * would and answers ARP and ping for one IPv4 address.
 *
 * usage: vdpa-guest /dev/vhost-vdpa-N ADDRESS
 *        vdpa-guest --hold /dev/vhost-vdpa-N
 *
 * Prints "ready MAC" once the device runs, and ends, with a line of counters,
 * at the end of its standard input.  --hold only keeps the device open.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_ether.h>
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
#include <unistd.h>

#define N_DESC 64
#define BUF_SIZE 2048
#define HDR_SIZE sizeof(struct virtio_net_hdr_v1)
#define IOVA UINT64_C(0x100000000)

/* A split ring with one fixed buffer for each descriptor. */
struct ring {
    struct vring_desc desc[N_DESC];
    struct {
        uint16_t flags, idx, entry[N_DESC], event;
    } avail __attribute__((aligned(64)));
    struct {
        uint16_t flags, idx;
        struct vring_used_elem entry[N_DESC];
    } used __attribute__((aligned(4096)));
    uint8_t buf[N_DESC][BUF_SIZE] __attribute__((aligned(4096)));
};

struct guest {
    int fd;
    struct ring *ring; /* [0] receives, [1] sends; shared with device */
    uint16_t seen[2];  /* used entries that we have handled */
    int kick[2];
    int call[2];
    uint8_t mac[ETH_ALEN];
    uint8_t ip[4];
    unsigned int received;
    unsigned int answered;
};

static void
die(const char *what)
{
    fprintf(stderr, "vdpa-guest: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void
control(const struct guest *guest, unsigned long request, void *arg,
        const char *what)
{
    if (ioctl(guest->fd, request, arg) < 0) {
        die(what);
    }
}

static void
set_status(const struct guest *guest, uint8_t status)
{
    control(guest, VHOST_VDPA_SET_STATUS, &status, "set status");
}

static uint64_t
iova(const struct guest *guest, const void *p)
{
    return IOVA + (uint64_t) ((const char *) p - (const char *) guest->ring);
}

static void
map_memory(const struct guest *guest)
{
    struct vhost_msg_v2 msg = {
        .type = VHOST_IOTLB_MSG_V2,
        .iotlb = {
            .iova = IOVA,
            .size = 2 * sizeof(struct ring),
            .uaddr = (uint64_t) (uintptr_t) guest->ring,
            .perm = VHOST_ACCESS_RW,
            .type = VHOST_IOTLB_UPDATE,
        },
    };

    if (write(guest->fd, &msg, sizeof msg) != (ssize_t) sizeof msg) {
        die("map memory");
    }
}

static void
set_up_ring(struct guest *guest, unsigned int index)
{
    struct ring *ring = &guest->ring[index];
    struct vhost_vring_state state = { .index = index, .num = N_DESC };
    struct vhost_vring_addr addr = {
        .index = index,
        .desc_user_addr = iova(guest, ring->desc),
        .avail_user_addr = iova(guest, &ring->avail),
        .used_user_addr = iova(guest, &ring->used),
    };
    struct vhost_vring_file file = { .index = index };

    for (unsigned int i = 0; i < N_DESC; i++) {
        ring->desc[i].addr = iova(guest, ring->buf[i]);
        ring->desc[i].len = BUF_SIZE;
        ring->desc[i].flags = index ? 0 : VRING_DESC_F_WRITE;
        ring->avail.entry[i] = (uint16_t) i;
    }
    ring->avail.idx = index ? 0 : N_DESC;

    control(guest, VHOST_SET_VRING_NUM, &state, "set ring size");
    state.num = 0;
    control(guest, VHOST_SET_VRING_BASE, &state, "set ring base");
    control(guest, VHOST_SET_VRING_ADDR, &addr, "set ring address");
    guest->kick[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    guest->call[index] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    file.fd = guest->kick[index];
    control(guest, VHOST_SET_VRING_KICK, &file, "set kick");
    file.fd = guest->call[index];
    control(guest, VHOST_SET_VRING_CALL, &file, "set call");
    state.num = 1;
    control(guest, VHOST_VDPA_SET_VRING_ENABLE, &state, "enable ring");
}

static void
start(struct guest *guest)
{
    uint64_t backend = UINT64_C(1) << VHOST_BACKEND_F_IOTLB_MSG_V2;
    uint64_t wanted = UINT64_C(1) << VIRTIO_F_VERSION_1
                      | UINT64_C(1) << VIRTIO_F_ACCESS_PLATFORM
                      | UINT64_C(1) << VIRTIO_NET_F_MAC;
    uint8_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
    struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
    struct vhost_vdpa_config *config;
    uint64_t features;

    setrlimit(RLIMIT_MEMLOCK, &unlimited);
    guest->ring = mmap(NULL, 2 * sizeof *guest->ring, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (guest->ring == MAP_FAILED) {
        die("allocate rings");
    }
    control(guest, VHOST_SET_OWNER, NULL, "set owner");
    control(guest, VHOST_SET_BACKEND_FEATURES, &backend, "backend features");
    set_status(guest, 0);
    set_status(guest, VIRTIO_CONFIG_S_ACKNOWLEDGE);
    set_status(guest, status);
    control(guest, VHOST_GET_FEATURES, &features, "get features");
    features &= wanted;
    control(guest, VHOST_SET_FEATURES, &features, "set features");
    status |= VIRTIO_CONFIG_S_FEATURES_OK;
    set_status(guest, status);

    config = calloc(1, sizeof *config + ETH_ALEN);
    if (!config) {
        die("allocate");
    }
    config->len = ETH_ALEN;
    control(guest, VHOST_VDPA_GET_CONFIG, config, "get config");
    memcpy(guest->mac, config->buf, ETH_ALEN);
    free(config);

    map_memory(guest);
    set_up_ring(guest, 0);
    set_up_ring(guest, 1);
    set_status(guest, status | VIRTIO_CONFIG_S_DRIVER_OK);
}

static void
kick(const struct guest *guest, unsigned int index)
{
    uint64_t one = 1;

    if (write(guest->kick[index], &one, sizeof one) < 0) {
        die("kick");
    }
}

static void
send_frame(struct guest *guest, const uint8_t *frame, size_t size)
{
    struct ring *ring = &guest->ring[1];
    uint16_t idx = ring->avail.idx;
    uint16_t slot = idx % N_DESC;

    /* All buffers under way: this answer is lost. */
    if ((uint16_t) (idx - __atomic_load_n(&ring->used.idx, __ATOMIC_ACQUIRE))
        >= N_DESC) {
        return;
    }
    memset(ring->buf[slot], 0, HDR_SIZE);
    memcpy(ring->buf[slot] + HDR_SIZE, frame, size);
    ring->desc[slot].len = (uint32_t) (HDR_SIZE + size);
    ring->avail.entry[slot] = slot;
    __atomic_store_n(&ring->avail.idx, (uint16_t) (idx + 1), __ATOMIC_RELEASE);
    kick(guest, 1);
    guest->answered++;
}

static void
swap(uint8_t *a, uint8_t *b, size_t size)
{
    while (size--) {
        uint8_t c = a[size];

        a[size] = b[size];
        b[size] = c;
    }
}

/* Turns a request into its answer, in place; false if it is none. */
static bool
answer(struct guest *guest, uint8_t *f, size_t size)
{
    uint16_t type = (uint16_t) (f[12] << 8 | f[13]);

    if (type == ETH_P_ARP && size >= 42 && f[21] == 1
        && !memcmp(f + 38, guest->ip, 4)) {
        f[21] = 2;
        memcpy(f + 32, f + 22, 10);
        memcpy(f + 22, guest->mac, ETH_ALEN);
        memcpy(f + 28, guest->ip, 4);
    } else if (type == ETH_P_IP && size >= 42 && (f[14] & 0xf) == 5
               && f[23] == 1 && f[34] == 8 && !memcmp(f + 30, guest->ip, 4)) {
        uint32_t sum = (uint32_t) (f[36] << 8 | f[37]) + 0x0800;

        swap(f + 26, f + 30, 4);
        f[34] = 0;
        sum = (sum & 0xffff) + (sum >> 16);
        f[36] = (uint8_t) (sum >> 8);
        f[37] = (uint8_t) sum;
    } else {
        return false;
    }
    memcpy(f, f + ETH_ALEN, ETH_ALEN);
    memcpy(f + ETH_ALEN, guest->mac, ETH_ALEN);
    return true;
}

static void
receive(struct guest *guest)
{
    struct ring *ring = &guest->ring[0];

    while (guest->seen[0]
           != __atomic_load_n(&ring->used.idx, __ATOMIC_ACQUIRE)) {
        struct vring_used_elem *e;
        uint16_t avail = ring->avail.idx;

        e = &ring->used.entry[guest->seen[0]++ % N_DESC];
        guest->received++;
        if (e->id < N_DESC && e->len >= HDR_SIZE + ETH_HLEN
            && e->len <= BUF_SIZE) {
            uint8_t *frame = ring->buf[e->id] + HDR_SIZE;
            size_t size = e->len - HDR_SIZE;

            if (answer(guest, frame, size)) {
                send_frame(guest, frame, size);
            }
        }
        ring->avail.entry[avail % N_DESC] = (uint16_t) e->id;
        __atomic_store_n(&ring->avail.idx, (uint16_t) (avail + 1),
                         __ATOMIC_RELEASE);
    }
    kick(guest, 0);
}

static void
run(struct guest *guest)
{
    struct pollfd fds[] = {
        { .fd = STDIN_FILENO, .events = POLLIN },
        { .fd = guest->ring ? guest->call[0] : -1, .events = POLLIN },
    };

    for (;;) {
        char buf[64];

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            die("poll");
        }
        if (fds[0].revents && read(STDIN_FILENO, buf, sizeof buf) <= 0) {
            return;
        }
        if (guest->ring && fds[1].revents
            && read(fds[1].fd, buf, sizeof(uint64_t)) > 0) {
            receive(guest);
        }
    }
}

int
main(int argc, char *argv[])
{
    struct guest guest = { .fd = -1 };
    bool hold = argc == 3 && !strcmp(argv[1], "--hold");

    if (argc != 3 || (!hold && inet_pton(AF_INET, argv[2], guest.ip) != 1)) {
        fprintf(stderr, "usage: vdpa-guest DEVICE ADDRESS\n"
                        "       vdpa-guest --hold DEVICE\n");
        return EXIT_FAILURE;
    }
    guest.fd = open(argv[hold ? 2 : 1], O_RDWR | O_CLOEXEC);
    if (guest.fd < 0) {
        die(argv[hold ? 2 : 1]);
    }
    if (!hold) {
        start(&guest);
    }
    printf("ready %02x:%02x:%02x:%02x:%02x:%02x\n", guest.mac[0], guest.mac[1],
           guest.mac[2], guest.mac[3], guest.mac[4], guest.mac[5]);
    fflush(stdout);
    run(&guest);
    printf("received %u answered %u\n", guest.received, guest.answered);
    return EXIT_SUCCESS;
}
