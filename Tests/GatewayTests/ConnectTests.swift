// SPDX-License-Identifier: Apache-2.0

import Credentials
import Foundation
import HTTPTransport
import Model
import PostgresClient
import Settings
import SyncStore
import Testing

@testable import Gateway

@Suite struct `Connecting by a link` {
    @Test(arguments: ["google-calendar", "acme"])
    func `asks the provider, stores the tokens and starts the first sync`(_ service: String) async throws {
        try await ConnectFixture.run { fixture in
            let browser = Browser(fixture.http)
            let begun = try await browser.get(try await fixture.link(service))
            #expect(begun.status == 303)
            let page = try #require(begun.location)
            #expect(page.hasPrefix(fixture.sandbox))
            let cookie = try #require(begun.headers.first("set-cookie"))
            #expect(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"))

            let done = try await browser.get(try await fixture.consent(page))

            #expect(done.status == 200, "\(done.text)")
            #expect(done.text.contains("is connected"))
            #expect(done.headers.first("content-security-policy")?.contains("default-src 'none'") == true)
            #expect(try await fixture.count("integrations WHERE user_id = 'u_7' AND status = 'active'") == 1)
            #expect(try await fixture.secrets()["access_token"] != nil)
            #expect(fixture.enqueued.withLock { $0 } == ["1 full"])
        }
    }

    @Test func `answers that an account is connected although the connection broke in COMMIT`() async throws {
        try await ConnectFixture.run { fixture in
            let browser = Browser(fixture.http)
            let page = try #require(try await browser.get(try await fixture.link("acme")).location)
            let way = try await fixture.consent(page)
            _ = try await fixture.pool.query("CREATE SEQUENCE lockstep.commits")
            _ = try await fixture.pool.query(
                """
                CREATE FUNCTION lockstep.die_once() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
                    IF nextval($$lockstep.commits$$) = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
                    RETURN NULL; END'
                """)
            _ = try await fixture.pool.query(
                """
                CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON lockstep.credentials DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION lockstep.die_once()
                """)

            let done = try await browser.get(way)

            #expect(done.status == 200 && done.text.contains("is connected"), "\(done.text)")
            #expect(try await fixture.pool.query("SELECT last_value FROM lockstep.commits").int(0, 0) == 2)
            #expect(try await fixture.secrets()["access_token"] != nil)
            #expect(try await fixture.count("integrations WHERE status = 'active'") == 1)
            #expect(try await fixture.count("connect_links") == 1)
            #expect(fixture.enqueued.withLock { $0.count } == 1)
        }
    }

    @Test func `takes a link once, also when two browsers began with it`() async throws {
        try await ConnectFixture.run { fixture in
            let link = try await fixture.link("acme")
            let (first, second) = (Browser(fixture.http), Browser(fixture.http))
            let pages = [try await first.get(link).location, try await second.get(link).location]
            let ways = [
                try await fixture.consent(try #require(pages[0]), user: "u_1"),
                try await fixture.consent(try #require(pages[1]), user: "u_2"),
            ]
            #expect(try await first.get(ways[0]).status == 200)
            let token = try await fixture.secrets()

            #expect(try await second.get(ways[1]).status == 410)
            #expect(try await fixture.secrets() == token)
            let again = try await Browser(fixture.http).get(link)
            #expect(again.status == 410 && again.text.contains("used already"))
        }
    }

    @Test func `takes a callback of the browser that began, once, from the provider that was asked`()
        async throws
    {
        try await ConnectFixture.run { fixture in
            let victim = Browser(fixture.http)
            let page = try #require(try await victim.get(try await fixture.link("acme")).location)
            let way = try await fixture.consent(page)

            // Another browser, with a cookie of its own.
            let other = Browser(fixture.http)
            _ = try await other.get(try await fixture.link("acme", user: "u_8"))
            #expect(try await other.get(way).status == 400)
            #expect(try await Browser(fixture.http).get(way).status == 400)
            #expect(try await fixture.count("integrations") == 0)

            #expect(try await victim.get(way).status == 200)
            #expect(try await victim.get(way).status == 400)

            for change in [("iss=", "iss=http%3A%2F%2Fevil&was="), ("&iss=", "&was="), ("code=", "other=")] {
                let browser = Browser(fixture.http)
                let page = try #require(
                    try await browser.get(try await fixture.link("acme", user: "u_9")).location)
                let way = try await fixture.consent(page).replacingOccurrences(of: change.0, with: change.1)
                #expect(try await browser.get(way).status == 400, "\(change)")
            }
            #expect(try await fixture.count("integrations WHERE user_id = 'u_9'") == 0)
            #expect(try await fixture.served.send("GET", "/oauth/callback").status == 400)
        }
    }

    @Test func `says so when the user says no, and lets the link work again`() async throws {
        try await ConnectFixture.run { fixture in
            let link = try await fixture.link("acme")
            let browser = Browser(fixture.http)
            let page = try #require(try await browser.get(link).location)
            let denied = try await browser.get(try await fixture.consent(page, decision: "deny"))
            #expect(denied.status == 422 && denied.text.contains("was not granted"))
            #expect(denied.headers.first("content-type")?.hasPrefix("text/html") == true)

            // The code of another client: the provider refuses it when it is redeemed.
            let second = try #require(try await browser.get(link).location)
            let spoilt = try await fixture.consent(second).replacingOccurrences(of: "code=", with: "code=x")
            #expect(try await browser.get(spoilt).status == 422)

            let third = try #require(try await browser.get(link).location)
            #expect(try await browser.get(try await fixture.consent(third)).status == 200)
        }
    }

    @Test func `takes no link that was changed, is for another service, or too old`() async throws {
        try await ConnectFixture.run { fixture in
            let browser = Browser(fixture.http)
            let link = try await fixture.link("acme")
            let text = try #require(link.split(separator: "=").last.map(String.init))
            for wrong in [
                "\(fixture.url)/connect/acme", "\(fixture.url)/connect/acme?link=",
                "\(fixture.url)/connect/slack?link=\(text)", "\(fixture.url)/connect/acme?link=x\(text)",
                "\(fixture.url)/connect/acme?link=\(text.dropLast(4))AAAA",
            ] {
                #expect(try await browser.get(wrong).status == 400, "\(wrong)")
            }
            let old = try await browser.get(try await fixture.link("acme", lifetime: .seconds(-5)))
            #expect(old.status == 410 && old.text.contains("too old"))
            #expect(try await fixture.count("oauth_states") == 0)
            // Nothing that stands in the query sends a browser elsewhere.
            let begun = try await browser.get(link + "&redirect_uri=https://evil.example&next=//evil.example")
            #expect(begun.location?.hasPrefix(fixture.sandbox + "/oauth/authorize?") == true)
            #expect(begun.location?.contains("evil") == false)
        }
    }

    @Test func `asks for what the link does not bring, in a form of this browser`() async throws {
        try await ConnectFixture.run { fixture in
            let link = try await fixture.link("odd", configuration: #"{"region":"eu"}"#)
            let browser = Browser(fixture.http)
            let form = try await browser.get(link)
            #expect(form.status == 200 && form.body.count < 100_000)
            #expect(!form.text.contains("<script>alert"))
            #expect(
                form.text.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;Co&quot;"))
            #expect(form.text.contains("API key") && form.text.contains("Shop"))
            let hidden = [
                ("link", try #require(form.field("link"))), ("check", try #require(form.field("check"))),
            ]
            let target = "\(fixture.url)/connect/odd"
            let values = [("field.api_key", " k-1 "), ("field.shop", "one")]

            // Another site's form has no cookie of ours, and another browser another one.
            #expect(try await Browser(fixture.http).submit(target, hidden + values).status == 403)
            let other = Browser(fixture.http)
            _ = try await other.get(link)
            #expect(try await other.submit(target, hidden + values).status == 403)
            #expect(try await browser.submit(target, [hidden[0]] + values).status == 403)
            let empty = try await browser.submit(target, hidden + [("field.api_key", ""), values[1]])
            #expect(empty.status == 422 && empty.text.contains("API key is missing"))

            let done = try await browser.submit(target, hidden + values)
            #expect(done.status == 200 && done.text.contains("is connected"))
            #expect(try await fixture.secrets() == ["api_key": "k-1"])
            let config = try await fixture.pool.query("SELECT config::text FROM lockstep.integrations")
            #expect(config.text(0, 0) == #"{"shop": "one", "region": "eu"}"#)
            #expect(fixture.enqueued.withLock { $0 } == ["1 full"])
            #expect(try await browser.submit(target, hidden + values).status == 410)
        }
    }

    @Test(arguments: ["odd", "acme"])
    func `keeps a link whose use came to nothing, also when nobody can give it back`(
        _ service: String
    ) async throws {
        try await ConnectFixture.run { fixture in
            let link = try await fixture.link(service)
            let browser = Browser(fixture.http)
            func connect() async throws -> HTTPResponse {
                let begun = try await browser.get(link)
                if service == "acme" {
                    return try await browser.get(try await fixture.consent(try #require(begun.location)))
                }
                let hidden = ["link", "check"].map { ($0, begun.field($0) ?? "") }
                return try await browser.submit(
                    "\(fixture.url)/connect/odd", hidden + [("field.api_key", "k"), ("field.shop", "one")])
            }
            // The database goes away when the credential is about to be stored, and whatever would be mended later is not.
            for statement in [
                """
                CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$
                """,
                "CREATE TRIGGER die BEFORE INSERT ON lockstep.credentials FOR EACH ROW EXECUTE FUNCTION die()",
                "CREATE TRIGGER die BEFORE DELETE ON lockstep.connect_links FOR EACH ROW EXECUTE FUNCTION die()",
            ] { _ = try await fixture.pool.query(statement) }
            let failed = try await connect()
            #expect(failed.status == 503, "\(failed.text)")
            #expect(try await fixture.count("connect_links") == 0)
            #expect(try await fixture.count("integrations") == 0)
            for table in ["credentials", "connect_links"] {
                _ = try await fixture.pool.query("DROP TRIGGER die ON lockstep.\(table)")
            }
            #expect(try await connect().status == 200)
            #expect(try await fixture.count("connect_links") == 1)
            #expect(try await browser.get(link).status == 410)
        }
    }

    @Test func `replaces a credential but for what the user was not asked for`() async throws {
        try await ConnectFixture.run { fixture in
            let writer = CredentialWriter(vault: fixture.vault, store: CredentialStore(pool: fixture.pool))
            func store(_ service: String, _ secrets: [String: SecretString]) async throws {
                let added = try await IntegrationStore(pool: fixture.pool).add(
                    IntegrationKey(userID: "u_7", service: service), configuration: Array("{}".utf8))
                try await writer.write(secrets, to: added.id)
            }
            try await store(
                "odd", ["api_key": SecretString("old"), "webhook_secret": SecretString("whsec")])
            let browser = Browser(fixture.http)
            let form = try await browser.get(try await fixture.link("odd"))
            let hidden = ["link", "check"].map { ($0, form.field($0) ?? "") }
            let done = try await browser.submit(
                "\(fixture.url)/connect/odd", hidden + [("field.api_key", "new"), ("field.shop", "one")])
            #expect(done.status == 200)
            #expect(try await fixture.secrets() == ["api_key": "new", "webhook_secret": "whsec"])

            // Of what tokens are read with, nothing old stays.
            _ = try await fixture.pool.query("DELETE FROM lockstep.integrations")
            try await store(
                "slack",
                [
                    "token": SecretString("xoxp-old"), "client_id": SecretString("own"),
                    "webhook_secret": SecretString("whsec"),
                ])
            let page = try #require(try await browser.get(try await fixture.link("slack")).location)
            #expect(try await browser.get(try await fixture.consent(page)).status == 200)
            let secrets = try await fixture.secrets()
            #expect(secrets["webhook_secret"] == "whsec" && secrets["access_token"] != nil)
            #expect(secrets["token"] == nil && secrets["client_id"] == nil)

            // What cannot be opened is no reason not to connect.
            _ = try await fixture.pool.query("UPDATE lockstep.credentials SET ciphertext = 'x'")
            let again = try #require(try await browser.get(try await fixture.link("slack")).location)
            #expect(try await browser.get(try await fixture.consent(again)).status == 200)
            #expect(try await fixture.secrets()["webhook_secret"] == nil)
        }
    }

    @Test func `connects also when the first sync cannot be enqueued`() async throws {
        try await ConnectFixture.run(enqueueFails: true) { fixture in
            let browser = Browser(fixture.http)
            let page = try #require(try await browser.get(try await fixture.link("acme")).location)
            let done = try await browser.get(try await fixture.consent(page))
            #expect(done.status == 200 && done.text.contains("within the next minutes"))
            #expect(try await fixture.count("credentials") == 1)
        }
    }

    @Test func `reads links of an older key, and of no other`() async throws {
        func keys(_ names: [(String, UInt8)]) throws -> GatewayKeys {
            let text = names.map { name, byte in
                "\(name):\(Data(repeating: byte, count: 32).base64EncodedString())"
            }
            return try GatewayKeys(.init(parsing: text.joined(separator: ",")))
        }
        let old = try keys([("old", 1)])
        let key = IntegrationKey(userID: "ü/<x>", service: "acme", account: "a b")
        let text = try ConnectLink.make(for: key, until: Timestamp(seconds: 2_000_000_000), keys: old)
        #expect(try ConnectLink(text, keys: keys([("new", 2), ("old", 1)]))?.key == key)
        #expect(try ConnectLink(text, keys: keys([("new", 2)])) == nil)
    }
}
