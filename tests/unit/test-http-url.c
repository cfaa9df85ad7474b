/* SPDX-License-Identifier: MIT */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/macro.h"
#include "gateway/http.h"

static const char *const acceptable[] = {
        "https://id.example.com",
        "https://id.example.com/",
        "https://id.example.com:8443/oidc?a=b&c=%20",
        "https://id.example.com/#/device",
        "https://192.0.2.1/",
        "https://[2001:db8::1]:8443/token",
        "https://xn--bcher-kva.example/device",
        "HTTPS://id.example.com/",
};

static const char *const loopback[] = {
        "http://127.0.0.1:3000/device",
        "http://127.9.9.9/",
        "http://[::1]:3000/",
        "http://localhost:3000/",
        "http://LOCALHOST/",
        "http://127.1/",
        "http://0x7f.1/",
};

static const char *const unacceptable[] = {
        "",
        "id.example.com",
        "/device",
        "https:",
        "https:/id.example.com/",
        "https:///device",
        "https:id.example.com",
        "http://id.example.com/",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://128.0.0.1/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
        "http://[::ffff:127.0.0.1]/",
        "http://[2001:db8::1]/",
        "ftp://id.example.com/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user@id.example.com/",
        "https://user:secret@id.example.com/",
        "https://id.example.com@evil.example/",
        "https://:@id.example.com/",
        "https://id.example.com\\@evil.example/",
        "https://id.example.com:99999/",
        "https://id.example.com:port/",
        "https://id.exa mple.com/",
        " https://id.example.com/",
        "https://id.example.com/ ",
        "https://id.example.com/a b",
        "https://id.example.com/\n",
        "https://id.example.com/\r\nHost: evil",
        "https://id.example.com/\033[2J",
        "https://id.example.com/\177",
        "https://id.example.com/\xc3\xa9",
        "https://b\xc3\xbc"
        "cher.example/",
        "https://id.example.com/<script>",
        "https://id.example.com/\"",
};

static void check(const char *url, bool allow, bool expected) {
        if (http_url_is_acceptable(url, allow) == expected)
                return;
        (void)fprintf(stderr, "%s with loopback %d is not %d\n", url, allow, expected);
        assert(!"as expected");
}

static void test_length(void) {
        char url[2050] = "https://id.example.com/";

        memset(url + strlen(url), 'a', 2048 - strlen(url));
        check(url, false, true);
        url[2048] = 'a';
        check(url, false, false);
}

static void test_places(void) {
        static const struct {
                const char *url, *place;
                bool is_there;
        } cases[] = {
                {"https://id.example.com/device", "id.example.com", true},
                {"https://ID.Example.com/device", "id.EXAMPLE.com", true},
                {"https://id.example.com:443/", "id.example.com", true},
                {"https://id.example.com/", "id.example.com:443", true},
                {"https://id.example.com:8443/", "id.example.com:8443", true},
                {"https://[2001:db8::1]:8443/", "[2001:db8::1]:8443", true},
                {"http://localhost:3000/", "localhost:3000", true},
                {"https://id.example.com:8443/", "id.example.com", false},
                {"https://id.example.com/", "id.example.com:8443", false},
                {"https://id.example.com.evil.example/", "id.example.com", false},
                {"https://evil-id.example.com/", "id.example.com", false},
                {"https://a.id.example.com/", "id.example.com", false},
                {"https://example.com/", "id.example.com", false},
                {"https://evil.example/id.example.com", "id.example.com", false},
                {"https://evil.example/?id.example.com", "id.example.com", false},
                {"https://id.example.com./", "id.example.com", false},
                {"https://id.example.com/", "", false},
                {"https://id.example.com/", "id.example.com:x", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (http_url_is_at(cases[i].url, cases[i].place) != cases[i].is_there)
                        (void)fprintf(stderr, "%s at %s\n", cases[i].url, cases[i].place);
                assert(http_url_is_at(cases[i].url, cases[i].place) == cases[i].is_there);
        }
        assert(http_url_same_place("https://a.example/x", "https://A.example:443/y?z"));
        assert(!http_url_same_place("https://a.example/", "https://b.example/"));
        assert(!http_url_same_place("https://a.example/", "https://a.example:444/"));
}

int main(void) {
        for (size_t i = 0; i < ELEMENTSOF(acceptable); i++) {
                check(acceptable[i], false, true);
                check(acceptable[i], true, true);
        }
        for (size_t i = 0; i < ELEMENTSOF(loopback); i++) {
                check(loopback[i], false, false);
                check(loopback[i], true, true);
        }
        for (size_t i = 0; i < ELEMENTSOF(unacceptable); i++) {
                check(unacceptable[i], false, false);
                check(unacceptable[i], true, false);
        }
        check(NULL, true, false);
        test_length();
        test_places();
        return 0;
}
