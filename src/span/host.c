// SPDX-License-Identifier: Apache-2.0
#include "span/host.h"

static bool all_digits(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0;
}

uint32_t port_parse(Str text)
{
    uint64_t port;

    if (!all_digits(text) || str_parse_u64(text, &port) != 0 || port > UINT16_MAX) {
        return 0;
    }
    return (uint32_t)port;
}

static bool has_two_colons(Str text)
{
    size_t first = str_find_byte(text, ':', 0);

    return first < text.len && str_find_byte(text, ':', first + 1) < text.len;
}

/* Splits `host:port`, `[v6]:port`, `[v6]` and bare `v6`. */
static void split_port(Str text, Str *ret_host, Str *ret_port)
{
    *ret_host = text;
    *ret_port = (Str){0};
    if (text.len > 0 && text.ptr[0] == '[') {
        size_t close = str_find_byte(text, ']', 0);

        if (close < text.len) {
            *ret_host = str_slice(text, 1, close);
            if (close + 1 < text.len && text.ptr[close + 1] == ':') {
                *ret_port = str_slice(text, close + 2, text.len);
            }
        }
        return;
    }
    size_t colon = str_find_byte(text, ':', 0);
    if (colon < text.len && all_digits(str_slice(text, colon + 1, text.len))) {
        *ret_host = str_slice(text, 0, colon);
        *ret_port = str_slice(text, colon + 1, text.len);
    }
}

static bool is_ipv4_loopback(Str host)
{
    if (!str_starts_with(host, STR("127."))) {
        return false;
    }
    Str rest = host;
    for (unsigned i = 0; i < 4; i++) {
        Str part;
        uint64_t number;
        bool more = str_split(rest, '.', &part, &rest);

        if (!all_digits(part) || str_parse_u64(part, &number) != 0 || number > 255 ||
            more != (i < 3)) {
            return false;
        }
    }
    return true;
}

static bool is_loopback(Str host)
{
    return str_equal(host, STR("localhost")) || str_equal(host, STR("::1")) ||
           is_ipv4_loopback(host);
}

static Str lower_case(Str text, Arena *arena)
{
    size_t i = 0;

    while (i < text.len && ascii_lower(text.ptr[i]) == text.ptr[i]) {
        i++;
    }
    if (i == text.len) {
        return text;
    }
    char *lower = arena_alloc(arena, text.len);
    for (i = 0; i < text.len; i++) {
        lower[i] = ascii_lower(text.ptr[i]);
    }
    return (Str){.ptr = lower, .len = text.len};
}

static Str without_final_dot(Str text)
{
    return text.len > 0 && text.ptr[text.len - 1] == '.' ? str_slice(text, 0, text.len - 1) : text;
}

static size_t write_port(char *at, uint32_t port)
{
    char digits[5];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + port % 10);
        port /= 10;
    } while (port != 0);
    for (size_t i = 0; i < n; i++) {
        at[i] = digits[n - 1 - i];
    }
    return n;
}

static Str join_port(Str host, uint32_t port, Arena *arena)
{
    bool brackets = has_two_colons(host);
    char *text = arena_alloc(arena, host.len + sizeof("[]:65535"));
    size_t n = 0;

    if (brackets) {
        text[n++] = '[';
    }
    mem_copy(text + n, host.ptr, host.len);
    n += host.len;
    if (brackets) {
        text[n++] = ']';
    }
    text[n++] = ':';
    n += write_port(text + n, port);
    return (Str){.ptr = text, .len = n};
}

void host_normalise(Str text, uint32_t port, Arena *arena, Str *ret_host, Str *ret_address)
{
    Str host;
    Str own_port;

    text = str_trim(str_slice(text, 0, str_find_byte(text, ',', 0)));
    split_port(without_final_dot(text), &host, &own_port);
    host = lower_case(without_final_dot(host), arena);
    if (is_loopback(host)) {
        host = STR("localhost");
    }
    if (port == 0) {
        port = port_parse(own_port);
    }
    *ret_host = host;
    *ret_address = host;
    if (host.len > 0 && port != 0 && port != 80 && port != 443) {
        *ret_address = join_port(host, port, arena);
    }
}

static bool is_scheme(Str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = ascii_lower(text.ptr[i]);
        bool letter = byte >= 'a' && byte <= 'z';

        if (!letter &&
            (i == 0 || !(ascii_is_digit(byte) || byte == '+' || byte == '-' || byte == '.'))) {
            return false;
        }
    }
    return true;
}

Str url_authority(Str url)
{
    url = str_trim(url);
    size_t slashes = str_find(url, STR("://"));
    size_t from;

    if (slashes < url.len && slashes > 0 && is_scheme(str_slice(url, 0, slashes))) {
        from = slashes + 3;
    } else if (str_starts_with(url, STR("//"))) {
        from = 2;
    } else {
        return (Str){0};
    }
    size_t to = from;
    while (to < url.len && url.ptr[to] != '/' && url.ptr[to] != '?' && url.ptr[to] != '#') {
        if (url.ptr[to] == '@') {
            from = to + 1;
        }
        to++;
    }
    return str_slice(url, from, to);
}
