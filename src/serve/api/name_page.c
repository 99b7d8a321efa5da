// SPDX-License-Identifier: Apache-2.0
#include "serve/api/name_page.h"

#include "query/search.h"

enum { LIST_KEY_MAX = 1024 }; /* of a name's bytes in a cursor */

int name_page_open(ApiCall *call, size_t otherwise, NamePage *page)
{
    Str cursor = api_parameter(call, "cursor"), payload = {0};

    *page = (NamePage){.limit = otherwise};
    if (api_has_parameter(call, "limit")) {
        TRY(api_limit(call, MIN(otherwise, (size_t)API_LIMIT_MAX), &page->limit));
    }
    if (cursor.len == 0) {
        return 0;
    }
    if (cursor_parse(cursor, &call->arena, &payload) != 0 || payload.len < sizeof(uint32_t)) {
        return api_fail(call, API_BAD_CURSOR, "start again without a cursor",
                        "the cursor is none that a page of this list gave");
    }
    page->has_after = true;
    for (size_t i = sizeof(uint32_t); i > 0; i--) {
        page->after_same = page->after_same << 8 | (uint8_t)payload.ptr[i - 1];
    }
    page->after = str_slice(payload, sizeof(uint32_t), payload.len);
    return 0;
}

bool name_page_takes(NamePage *page, Str name)
{
    Str key = str_slice(name, 0, MIN(name.len, (size_t)LIST_KEY_MAX));
    int order = page->has_after ? str_compare(key, page->after) : 1;

    if (page->n_taken == page->limit) {
        page->more = true;
        return false;
    }
    page->last_same = page->has_last && str_equal(key, page->last) ? page->last_same + 1 : 1;
    page->last = key;
    page->has_last = true;
    if (order < 0 || (order == 0 && page->last_same <= page->after_same)) {
        return false;
    }
    page->n_taken++;
    return true;
}

void name_page_close(ApiCall *call, const NamePage *page)
{
    CLEANUP(buf_deinit) Buf payload = {0};

    if (page->more) {
        buf_append_u32le(&payload, page->last_same);
        buf_append_str(&payload, page->last);
    }
    api_list_close(call, page->more ? cursor_format(buf_str(&payload), &call->arena) : STR(""));
}
