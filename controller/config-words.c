/* SPDX-License-Identifier: Apache-2.0 */
/* The "name=value" words of a key, their values, and the refusals. */
#include "config-parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHITE_SPACE " \t\n\v\f\r"

bool
vdpad_refuse(struct vdpad_parse *p, const char *format, ...)
{
    struct vdpad_config *config = p->config;
    char raw[1024], shown[1024];
    va_list args;

    if (p->n_errors++ >= VDPAD_CONFIG_KEY_ERRORS_MAX
        || (p->only_key && strcmp(p->only_key, p->key))
        || config->n_errors >= VDPAD_CONFIG_ERRORS_MAX) {
        return false;
    }

    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    if (config->n_errors == VDPAD_CONFIG_ERRORS_MAX - 1) {
        snprintf(raw, sizeof raw,
                 "there are more errors than can be shown; "
                 "mend these first");
    } else if (p->n_errors == VDPAD_CONFIG_KEY_ERRORS_MAX) {
        snprintf(raw, sizeof raw,
                 "this key has more errors than can be "
                 "shown; mend these first");
    }

    config->errors = vdpad_xrealloc(config->errors, config->n_errors + 1,
                                    sizeof *config->errors);
    struct vdpad_config_error *e = &config->errors[config->n_errors++];
    char key[VDPAD_KEY_TEXT], word[VDPAD_WORD_TEXT];
    vdpad_printable(p->key, VDPAD_CONFIG_ID_MAX, key, sizeof key);
    vdpad_printable(p->word ? p->word : "", 64, word, sizeof word);
    vdpad_printable(raw, sizeof raw, shown, sizeof shown);
    e->key = vdpad_xstrdup(key);
    e->word = vdpad_xstrdup(word);
    e->reason = vdpad_xstrdup(shown);
    return false;
}

bool
vdpad_refuse_number(struct vdpad_parse *p, uint32_t min, uint32_t max,
                    const char *example)
{
    char word[VDPAD_WORD_TEXT];

    vdpad_printable(p->word, 64, word, sizeof word);
    return vdpad_refuse(p,
                        "%s is not a number from %u to %u; write for "
                        "example %.*s=%s",
                        word, min, max, (int) strcspn(p->word, "="), p->word,
                        example);
}

static void
refuse_unknown(struct vdpad_parse *p, const char *name,
               const struct vdpad_word *words, size_t n)
{
    /* Terms of the SR-IOV network operator that no likeness reveals. */
    static const char *const aliases[][2] = {
        { "pfNames", "pf" },        { "rootDevices", "pf" },
        { "interface", "pf" },      { "numvf", "num-vfs" },
        { "mode", "eswitch-mode" }, { "type", "vdpa-type" },
        { "max-vqs", "max-vqp" },   { "queues", "max-vqp" },
        { "vlan", "tag" },          { "br", "bridge" },
        { "address", "mac" },       { "dev", "device" },
    };
    const char *meant = vdpad_nearest(name, &words->name, n, sizeof *words);
    char known[512];

    for (size_t i = 0; i < sizeof aliases / sizeof *aliases && !meant; i++) {
        for (size_t j = 0; j < n; j++) {
            if (!strcasecmp(aliases[i][0], name)
                && !strcmp(aliases[i][1], words[j].name)) {
                meant = words[j].name;
            }
        }
    }
    char shown[VDPAD_WORD_TEXT];
    vdpad_printable(name, 64, shown, sizeof shown);
    if (meant) {
        vdpad_refuse(p, "there is no word %s; did you mean %s?", shown, meant);
        return;
    }
    size_t used = 0;
    for (size_t i = 0; i < n && used < sizeof known; i++) {
        used += (size_t) snprintf(known + used, sizeof known - used, "%s%s",
                                  i ? ", " : "", words[i].name);
    }
    vdpad_refuse(p, "there is no word %s; known are %s", shown, known);
}

static void
parse_word(struct vdpad_parse *p, const struct vdpad_word *words, size_t n,
           void *object)
{
    const char *equals = strchr(p->word, '=');
    size_t len = equals ? (size_t) (equals - p->word) : strlen(p->word);
    size_t i;

    if (!len) {
        vdpad_refuse(p, "a word starts with '='; write name=value without "
                        "spaces around the '='");
        return;
    }
    for (i = 0; i < n; i++) {
        if (strlen(words[i].name) == len
            && !memcmp(words[i].name, p->word, len)) {
            break;
        }
    }
    if (i == n) {
        char *name = vdpad_xstrndup(p->word, len);
        refuse_unknown(p, name, words, n);
        free(name);
        return;
    }

    const struct vdpad_word *word = &words[i];
    bool again = p->seen & UINT32_C(1) << i;
    p->seen |= UINT32_C(1) << i;
    if (!equals) {
        vdpad_refuse(p, "%s has no '='; write for example %s=%s", word->name,
                     word->name, word->example);
    } else if (!equals[1]) {
        vdpad_refuse(p, "%s= has no value; write for example %s=%s",
                     word->name, word->name, word->example);
    } else if (again && !word->is_repeatable) {
        vdpad_refuse(p, "%s= is given more than once; keep one of them",
                     word->name);
    } else {
        word->parse(p, equals + 1, object);
    }
}

bool
vdpad_parse_words(struct vdpad_parse *p, const char *value,
                  const struct vdpad_word *words, size_t n, void *object)
{
    size_t before = p->n_errors;

    while (*(value += strspn(value, WHITE_SPACE))) {
        size_t len = strcspn(value, WHITE_SPACE);
        char *word = vdpad_xstrndup(value, len);

        p->word = word;
        parse_word(p, words, n, object);
        p->word = NULL;
        free(word);
        value += len;
    }
    return p->n_errors == before;
}

bool
vdpad_parse_choice(struct vdpad_parse *p, const char *value,
                   const char *const *names, int *ret_index)
{
    char known[256], word[VDPAD_WORD_TEXT];
    size_t n = 0, used = 0;

    for (; names[n]; n++) {
        if (!strcmp(value, names[n])) {
            *ret_index = (int) n;
            return true;
        }
    }
    for (size_t i = 0; i < n && used < sizeof known; i++) {
        used += (size_t) snprintf(known + used, sizeof known - used, "%s%s",
                                  i ? i == n - 1 ? " nor " : ", " : "",
                                  names[i]);
    }
    const char *meant = vdpad_nearest(value, names, n, sizeof *names);
    vdpad_printable(p->word ? p->word : value, 64, word, sizeof word);
    return vdpad_refuse(p, "%s is neither %s; %s %s%s", word, known,
                        meant ? "did you mean" : "write for example",
                        meant ? meant : names[0], meant ? "?" : "");
}

bool
vdpad_scan_number(const char **text, uint32_t max, uint32_t *ret_number)
{
    uint64_t value = 0;
    const char *s = *text;

    for (; *s >= '0' && *s <= '9'; s++) {
        value = value * 10 + (uint64_t) (*s - '0');
        if (value > max) {
            return false;
        }
    }
    if (s == *text) {
        return false;
    }
    *text = s;
    *ret_number = (uint32_t) value;
    return true;
}

bool
vdpad_parse_number(struct vdpad_parse *p, const char *value, uint32_t min,
                   uint32_t max, const char *example, uint32_t *ret_number)
{
    uint32_t number;

    if (!vdpad_scan_number(&value, max, &number) || *value || number < min) {
        return vdpad_refuse_number(p, min, max, example);
    }
    *ret_number = number;
    return true;
}

bool
vdpad_parse_unicast(struct vdpad_parse *p, const char *value, uint8_t mac[6])
{
    static const uint8_t zero[6];
    char word[VDPAD_WORD_TEXT];

    vdpad_printable(p->word, 64, word, sizeof word);
    if (vdpad_mac_parse(value, mac)) {
        return vdpad_refuse(p,
                            "%s is not a MAC address; write for example "
                            "mac=02:00:00:00:01:00",
                            word);
    }
    if (mac[0] & 1) {
        return vdpad_refuse(p,
                            "%s is a multicast address; the first byte "
                            "must be even",
                            word);
    }
    if (!memcmp(mac, zero, sizeof zero)) {
        return vdpad_refuse(p,
                            "%s is no address of a device; leave the word "
                            "out to keep the one that the device has",
                            word);
    }
    return true;
}

bool
vdpad_parse_mtu(struct vdpad_parse *p, const char *value, int32_t *mtu)
{
    uint32_t number = 0;

    /* 68: VDPA_CMD_DEV_NEW refuses less (ETH_MIN_MTU); 65535: the attribute
     * has 16 bits. */
    if (!vdpad_parse_number(p, value, 68, 65535, "1500", &number)) {
        return false;
    }
    *mtu = (int32_t) number;
    return true;
}

static int
compare_ranges(const void *a_, const void *b_)
{
    const struct vdpad_range *a = a_, *b = b_;
    return a->first < b->first ? -1 : a->first > b->first;
}

bool
vdpad_parse_ranges(struct vdpad_parse *p, const char *text, uint32_t max,
                   const char *what, struct vdpad_range **ret_ranges,
                   size_t *ret_n)
{
    struct vdpad_range *ranges = NULL;
    char word[VDPAD_WORD_TEXT];
    size_t n = 0;

    vdpad_printable(p->word, 64, word, sizeof word);
    for (;;) {
        uint32_t first, last;

        if (!vdpad_scan_number(&text, max, &first)) {
            break;
        }
        last = first;
        if (*text == '-') {
            text++;
            if (!vdpad_scan_number(&text, max, &last)) {
                break;
            }
        }
        if (last < first) {
            free(ranges);
            return vdpad_refuse(p,
                                "%s: the range %u-%u is backwards; write "
                                "%u-%u",
                                word, first, last, last, first);
        }
        ranges = vdpad_xrealloc(ranges, n + 1, sizeof *ranges);
        ranges[n].first = (uint16_t) first;
        ranges[n++].last = (uint16_t) last;
        if (!*text) {
            qsort(ranges, n, sizeof *ranges, compare_ranges);
            *ret_ranges = ranges;
            *ret_n = n;
            return true;
        }
        if (*text++ != ',') {
            break;
        }
    }
    free(ranges);
    return vdpad_refuse(p,
                        "%s: %s are numbers from 0 to %u and ranges of "
                        "them; write for example 0-3,6",
                        word, what, max);
}
