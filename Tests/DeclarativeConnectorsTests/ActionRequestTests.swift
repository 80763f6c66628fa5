// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Logging
import Model
import PageScanner
import TestSupport
import Testing

@testable import DeclarativeConnectors

@Suite struct `The request of an action` {
    private static let manifest = """
        lockstep: 1
        service: demo
        title: Demo
        base_url: https://api.example.com
        headers: { X-Version: "1", Accept: text/plain }
        auth: { kind: bearer, token: "${secret.api_key}" }
        request_id_header: X-Id
        errors:
          - { pointer: /error, equals: busy, class: rate_limited }
          - { pointer: /ok, equals: false, class: rejected }
        streams:
          items: { path: /items, records: /data, id: /id, page: { kind: none } }
        actions:
          post:
            path: /things/${input.id}
            input:
              id: { type: text, required: true }
              count: { type: integer }
              tags: { type: array }
              meta: { type: object }
              note: { type: text }
            query: { dry: "false", n: "${input.count}" }
            headers: { X-Team: "${config.team}", x-version: "2" }
            body: { n: "${input.count}", tags: "${input.tags}", meta: "${input.meta}", inner: { note: "${input.note}", team: "${config.team}" }, fixed: 1, key: "k-${action.key}" }
            repeat: { kind: never }
            result: { id: [/missing, /id], ok: /ok, gone: /nothing }
            errors:
              - { status: 402, pointer: /code, equals: broke, class: rejected, code: broke, message: "No money." }
              - { status: 402, class: rejected, message_pointer: /say }
          form:
            path: /form
            input: { meta: { type: object }, list: { type: array }, on: { type: boolean, default: true } }
            encoding: form
            body: { meta: "${input.meta}", list: "${input.list}", on: "${input.on}", "expand[]": [a, b], items: [{ price: p }] }
            repeat: { kind: key, header: Idempotency-Key, lasts: 1d, replayed: Replayed }
          read:
            method: GET
            path: /read
            query: { q: "x y&z" }
            list: { name: found, pointer: /items }
            result: { next: /next }
        """

    private struct Fixture {
        let server: ScriptedServer
        let performer: any ActionPerformer
        let confirmed = LockedBox(0)

        init(
            _ action: String, _ input: JSONTree, team: String = "t1",
            _ answer: @escaping @Sendable (ScriptedServer.Request) -> [ScriptedServer.Step]
        ) throws {
            server = try ScriptedServer(answer)
            var client = HTTPClientConfiguration()
            client.addressPolicy = .allowing(hosts: [server.origin])
            let http = HTTPClient(
                configuration: client, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            performer = try ManifestLoader.load(manifest, file: "demo.yaml").performer(
                of: ActionCall(name: action, input: input, key: "abc"),
                access: ProviderAccess(
                    client: DirectClient(http: http), secrets: ["api_key": SecretString("the-secret")],
                    configuration: ["team": team], baseURL: server.url("/api")))
        }

        func perform() async throws(ActionFailure) -> String {
            let confirmed = confirmed
            let reply = try await performer.perform(isRepeated: false) {
                confirmed.withLock { $0 += 1 }
            }
            return String(decoding: reply.result, as: UTF8.self)
        }

        var request: ScriptedServer.Request {
            get throws { try #require(server.log.requests.last) }
        }
    }

    private static func object(_ members: [(String, JSONTree)]) -> JSONTree {
        .object(members.map { JSONTree.Member(name: $0.0, value: $0.1) })
    }

    private static let id = ("id", JSONTree.scalar(.string("a/b ü")))

    @Test func `carries values as they are, and leaves out what was not given`() async throws {
        let fixture = try Fixture("post", Self.object([Self.id])) { _ in json(#"{"ok":true,"id":"x1"}"#) }
        #expect(try await fixture.perform() == #"{"id":"x1","ok":true}"#)
        #expect(try fixture.request.target == "/api/things/a%2Fb%20%C3%BC?dry=false")
        #expect(
            String(decoding: try fixture.request.body, as: UTF8.self)
                == #"{"inner":{"team":"t1"},"fixed":1,"key":"k-abc"}"#)
        #expect(try fixture.request.header("X-Team") == "t1")
        #expect(try fixture.request.header("Authorization") == "Bearer the-secret")
        // A header of the action's own goes out alone.
        #expect(
            try fixture.request.headers.filter { $0.name.lowercased() == "x-version" }.map(\.value) == ["2"])
        #expect(
            try fixture.request.headers.filter { $0.name.lowercased() == "accept" }.map(\.value) == [
                "text/plain"
            ])
        #expect(fixture.confirmed.withLock { $0 } == 1)

        let full = try Fixture(
            "post",
            Self.object([
                Self.id, ("count", .scalar(.number("12345678901234567890"))),
                ("tags", .array([.scalar(.bool(true)), .scalar(.null)])), ("meta", .object([])),
                ("note", .scalar(.string(#"say "hi""#))),
            ])
        ) { _ in json(#"{"ok":true}"#) }
        _ = try await full.perform()
        #expect(try full.request.target.hasSuffix("?dry=false&n=12345678901234567890"))
        #expect(
            String(decoding: try full.request.body, as: UTF8.self)
                == #"{"n":12345678901234567890,"tags":[true,null],"meta":{},"inner":{"note":"say \"hi\"","team":"t1"},"fixed":1,"key":"k-abc"}"#
        )
    }

    @Test func `leaves out a setting that is empty, and an object of which nothing is left`() async throws {
        let fixture = try Fixture("post", Self.object([Self.id]), team: "") { _ in json(#"{"ok":true}"#) }
        _ = try await fixture.perform()
        #expect(String(decoding: try fixture.request.body, as: UTF8.self) == #"{"fixed":1,"key":"k-abc"}"#)
        #expect(try fixture.request.header("X-Team") == nil)
    }

    @Test func `is a form whose names nest, with its key in a header`() async throws {
        let fixture = try Fixture(
            "form",
            Self.object([
                ("meta", Self.object([("a b", .scalar(.string("ü&"))), ("n", .scalar(.number("1")))])),
                ("list", .array([.scalar(.string("x")), .scalar(.string("y"))])),
            ])
        ) { _ in json("{}") }
        #expect(try await fixture.perform() == "{}")
        #expect(
            String(decoding: try fixture.request.body, as: UTF8.self)
                == "meta%5Ba+b%5D=%C3%BC%26&meta%5Bn%5D=1&list%5B0%5D=x&list%5B1%5D=y&on=true&expand%5B%5D=a"
                + "&expand%5B%5D=b&items%5B0%5D%5Bprice%5D=p")
        #expect(try fixture.request.header("Content-Type") == "application/x-www-form-urlencoded")
        #expect(try fixture.request.header("Idempotency-Key") == "abc")
    }

    @Test func `that reads keeps a list as it came`() async throws {
        let fixture = try Fixture("read", .object([])) { _ in
            json(#"{"items":[{"n":1.10},{"e":"\u00e9"}],"next":"t"}"#)
        }
        #expect(try await fixture.perform() == #"{"next":"t","found":[{"n":1.10},{"e":"\u00e9"}]}"#)
        #expect(try fixture.request.target == "/api/read?q=x%20y%26z")
        #expect(fixture.performer.repetition == .safe)
    }

    /// An answer, and what it means: class, effect, code, and words for the user.
    struct Answer: Sendable {
        let steps: [ScriptedServer.Step]
        let errorClass: ErrorClass
        let effect: ActionFailure.Effect
        let code: String
        var words = ""

        static func reply(_ status: String, _ body: String, headers: String = "") -> [ScriptedServer.Step] {
            [.reply(status, headers: headers, body: Array(body.utf8))]
        }
    }

    static let answers: [Answer] = [
        Answer(
            steps: Answer.reply("402 Payment Required", #"{"code":"broke"}"#), errorClass: .rejected,
            effect: .none, code: "broke", words: "No money."),
        Answer(
            steps: Answer.reply("402 Payment Required", #"{"say":"Your bank\nsaid no."}"#),
            errorClass: .rejected,
            effect: .none, code: "http_402", words: "Your bank said no."),
        Answer(
            steps: Answer.reply("200 OK", #"{"ok":false}"#), errorClass: .rejected, effect: .none,
            code: "http_200", words: "Demo refused this. Nothing was changed."),
        Answer(
            steps: Answer.reply("200 OK", #"{"error":"busy"}"#), errorClass: .rateLimited, effect: .none,
            code: "http_200"),
        Answer(
            steps: Answer.reply("429 Too Many", "{}", headers: "Retry-After: 7\r\n"),
            errorClass: .rateLimited, effect: .none, code: "http_429"),
        Answer(
            steps: Answer.reply("503 Later", "{}", headers: "Retry-After: 7\r\n"), errorClass: .transient,
            effect: .unknown, code: "http_503"),
        Answer(
            steps: Answer.reply("500 Oops", "{}"), errorClass: .transient, effect: .unknown, code: "http_500"),
        Answer(
            steps: Answer.reply("403 No", "{}"), errorClass: .permission, effect: .none, code: "http_403",
            words: "The connected Demo account may not do this."),
        Answer(
            steps: Answer.reply("401 Who", "{}"), errorClass: .authRevoked, effect: .none, code: "http_401"),
        Answer(
            steps: Answer.reply("200 OK", "<html>"), errorClass: .transient, effect: .unknown,
            code: "html_instead_of_json"),
        Answer(
            steps: Answer.reply("200 OK", #"{"id":"#), errorClass: .transient, effect: .unknown,
            code: "truncated_json"),
        Answer(steps: [.close], errorClass: .transient, effect: .unknown, code: "reset"),
        Answer(steps: [.reset], errorClass: .transient, effect: .unknown, code: "reset"),
    ]

    @Test(arguments: answers)
    func `tells a refusal from an answer that says nothing`(answer: Answer) async throws {
        let fixture = try Fixture("post", Self.object([Self.id])) { _ in answer.steps }
        let failure = await #expect(throws: ActionFailure.self) { try await fixture.perform() }
        #expect(failure?.error.errorClass == answer.errorClass)
        #expect(failure?.effect == answer.effect)
        #expect(failure?.error.code == answer.code)
        if !answer.words.isEmpty { #expect(failure?.error.userMessage == answer.words) }
        #expect(failure?.error.operatorDetail.contains("the-secret") == false)
    }

    @Test func `knows an answer that comes again whatever is done`() async throws {
        let fixture = try Fixture("form", .object([])) { _ in
            [.reply("500 Oops", headers: "Replayed: true\r\n")]
        }
        let failure = await #expect(throws: ActionFailure.self) { try await fixture.perform() }
        #expect(failure?.effect == .settledUnknown)
    }

    @Test func `is not sent when it is not confirmed`() async throws {
        let fixture = try Fixture("post", Self.object([Self.id])) { _ in json("{}") }
        let failure = await #expect(throws: ActionFailure.self) {
            try await fixture.performer.perform(isRepeated: false) { () async throws(ConnectorError) in
                throw ConnectorError(.staleWorker, code: "no", userMessage: "", operatorDetail: "")
            }
        }
        #expect(failure?.effect == ActionFailure.Effect.none)
        #expect(fixture.server.log.requests.isEmpty)
    }
}
