// SPDX-License-Identifier: Apache-2.0
#include "app/asking.h"

#include "app/client.h"

static const char default_url[] = "http://localhost:16686";

void answer_deinit(Answer *answer)
{
    buf_deinit(&answer->body);
    arena_deinit(&answer->arena);
}

int asking_check(const Arguments *arguments, int status, JsonView answer, const char *part)
{
    if (status == 200 && view_get(answer, part).raw.len > 0) {
        return EXIT_DONE;
    }
    JsonView error = view_get(answer, "error");
    Str message = view_text(view_get(error, "message")), hint = view_text(view_get(error, "hint"));

    if (message.len == 0) {
        return cli_fail("%s answered HTTP %d, but not as Weft does. Is it another program? --url "
                        "tells where.",
                        cli_value(arguments, "url", default_url), status);
    }
    return cli_fail("%.*s (HTTP %d)%s%.*s", STR_ARG(message), status, hint.len > 0 ? ". " : "",
                    STR_ARG(hint));
}

typedef int (*Method)(Client *client, const char *path, Buf *body, Buf *why);

static int ask(Method method, const Arguments *arguments, Buf *path, const char *part,
               Answer *answer)
{
    CLEANUP(buf_deinit) Buf why = {0};
    Client *client = client_new(cli_value(arguments, "url", default_url));
    int status = method(client, buf_cstr(path), &answer->body, &why);

    client_free(client);
    if (status < 0) {
        return cli_fail("%s. Is `weft serve` running? --url tells where.", buf_cstr(&why));
    }
    return asking_check(arguments, status, (JsonView){buf_str(&answer->body), &answer->arena},
                        part);
}

int asking_get(const Arguments *arguments, Buf *path, const char *part, Answer *answer)
{
    return ask(client_get, arguments, path, part, answer);
}

int asking_delete(const Arguments *arguments, Buf *path, const char *part, Answer *answer)
{
    return ask(client_delete, arguments, path, part, answer);
}

void append_parameter(Buf *path, char *separator, const char *name, const char *value)
{
    if (value != NULL) {
        buf_append_format(path, "%c%s=", *separator, name);
        client_append_encoded(path, str_from_cstr(value));
        *separator = '&';
    }
}

void append_window(const Arguments *arguments, Buf *path, char *separator, const char *from)
{
    append_parameter(path, separator, "from", cli_value(arguments, "from", from));
    append_parameter(path, separator, "to", cli_value(arguments, "to", NULL));
}

Str duration_text(Arena *arena, uint64_t ns)
{
    static const struct {
        double factor;
        const char *unit;
    } units[] = {{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}};

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if ((double)ns >= units[i].factor) {
            return arena_format(arena, "%.3g %s", (double)ns / units[i].factor, units[i].unit);
        }
    }
    return arena_format(arena, "%llu ns", (unsigned long long)ns);
}

int print_answer(const Arguments *arguments, Answer *answer, void (*print)(Buf *, JsonView))
{
    CLEANUP(buf_deinit) Buf out = {0};

    if (cli_flag(arguments, "json")) {
        buf_append_str(&out, buf_str(&answer->body));
        if (out.len > 0 && out.ptr[out.len - 1] != '\n') {
            buf_append_byte(&out, '\n');
        }
    } else {
        print(&out, (JsonView){buf_str(&answer->body), &answer->arena});
    }
    cli_print(&out);
    return EXIT_DONE;
}
