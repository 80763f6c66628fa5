// SPDX-License-Identifier: Apache-2.0

import ConnectorKit
import HTTPTransport
import Model
import PageScanner
import Testing

@testable import DeclarativeConnectors

@Suite struct `A link header` {
    @Test(
        arguments: [
            ([#"<https://a/x?page=2>; rel="next", <https://a/x?page=9>; rel="last""#], "https://a/x?page=2"),
            ([#"<https://a/1>; rel="prev""#, "<https://a/3>;rel=next"], "https://a/3"),
            ([#"<https://a/2>; title="a, b; rel=x"; rel="prev next""#], "https://a/2"),
            ([#"<https://a/1>; rel="prev""#], nil), (["nonsense"], nil), ([], nil),
        ] as [([String], String?)])
    func `gives the next target`(values: [String], expected: String?) {
        #expect(LinkHeader.target(relation: "next", in: values) == expected)
    }
}

@Suite struct `Retry-After` {
    @Test(
        arguments: [
            ("3", Duration.seconds(3)), ("0", .seconds(1)), ("1.2", .seconds(2)), ("99999", .seconds(3_600)),
            ("-5", .seconds(1)), ("Sun, 06 Nov 1994 08:50:07 GMT", .seconds(30)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", .seconds(1)), ("soon", nil),
        ] as [(String, Duration?)])
    func `is seconds or a date, between a second and an hour`(value: String, expected: Duration?) {
        #expect(RetryAfter.wait(value, date: "Sun, 06 Nov 1994 08:49:37 GMT") == expected)
    }

    @Test func `of an impossible date says nothing`() {
        #expect(HTTPDate.parse("Sun, 31 Feb 2026 00:00:00 GMT") == nil)
        #expect(HTTPDate.parse("Sun, 06 Nov 1994 08:49:37 GMT") == Timestamp(seconds: 784_111_777))
    }
}

@Suite struct `A page` {
    private static func outcome(
        _ kind: PageRule.Kind, _ body: String, at place: String? = nil, more: String? = nil,
        total: String? = nil,
        short: Bool = false, links: [String] = []
    ) throws -> PageJudge.Outcome {
        let rule = PageRule(
            kind: kind, more: try more.map { try JSONPointer($0) },
            total: try total.map { try JSONPointer($0) },
            endsOnShortPage: short, sizeParameter: nil, size: 2)
        var plan = ScanPlan(records: try JSONPointer("/data"), id: [try JSONPointer("/id")])
        plan.envelope = Envelope.pointers(rule, .none)
        let page = try PageScanner(plan: plan).scan(Array(body.utf8))
        return try PageJudge(rule: rule, plan: plan, pageSize: 2).outcome(page, at: place, links: links)
    }

    private static let two = #"{"data":[{"id":"a"},{"id":"b"}]"#

    @Test func `of each kind goes on or ends for a reason`() throws {
        let token = PageRule.Kind.token(pointer: try JSONPointer("/next"), parameter: "t")
        #expect(try Self.outcome(token, Self.two + #","next":"x"}"#) == .next("x"))
        #expect(try Self.outcome(token, #"{"data":[],"next":"x"}"#) == .next("x"))
        #expect(try Self.outcome(token, Self.two + #","next":""}"#) == .end(.nextTokenAbsent))
        #expect(try Self.outcome(token, Self.two + "}") == .end(.nextTokenAbsent))

        let last = PageRule.Kind.lastID(parameter: "after")
        #expect(try Self.outcome(last, Self.two + #","more":true}"#, more: "/more") == .next("b"))
        #expect(try Self.outcome(last, Self.two + #","more":false}"#, more: "/more") == .end(.hasMoreFalse))
        #expect(try Self.outcome(last, #"{"data":[]}"#) == .end(.emptyPage))

        let number = PageRule.Kind.pageNumber(parameter: "page", first: 1)
        #expect(try Self.outcome(number, Self.two + "}") == .next("2"))
        #expect(try Self.outcome(number, Self.two + #","n":4}"#, at: "2", total: "/n") == .end(.totalReached))
        #expect(try Self.outcome(number, #"{"data":[{"id":1}]}"#, short: true) == .end(.shortPage))
        #expect(try Self.outcome(number, #"{"data":[{"id":1}]}"#) == .next("2"))

        #expect(try Self.outcome(.offset(parameter: "o"), Self.two + "}", at: "2") == .next("4"))
        #expect(
            try Self.outcome(.linkHeader, Self.two + "}", links: ["<https://a/2>; rel=next"])
                == .next("https://a/2"))
        #expect(try Self.outcome(.linkHeader, Self.two + "}") == .end(.nextLinkAbsent))
        #expect(try Self.outcome(.none, Self.two + "}") == .end(.singlePage))
    }

    @Test func `that contradicts itself is no end`() throws {
        let last = PageRule.Kind.lastID(parameter: "after")
        #expect(throws: PageJudge.Contradiction.self) {
            try Self.outcome(last, #"{"data":[],"more":true}"#, more: "/more")
        }
        #expect(throws: PageJudge.Contradiction.self) {
            try Self.outcome(last, Self.two + "}", more: "/more")
        }
        let token = PageRule.Kind.token(pointer: try JSONPointer("/next"), parameter: "t")
        #expect(throws: PageJudge.Contradiction.self) {
            try Self.outcome(token, Self.two + #","more":true}"#, more: "/more")
        }
    }
}

@Suite struct `A response that is no page` {
    private static func failure(_ status: Int, _ body: String, headers: [(name: String, value: String)] = [])
        -> ConnectorError?
    {
        let rules = [
            ErrorRule(
                status: 403, pointer: try? JSONPointer("/error/reason"), equals: [.string("limit")],
                errorClass: .rateLimited)
        ]
        let manifest = Manifest(
            service: "demo", title: "Demo", baseURL: "https://a", auth: nil, headers: [], errors: rules,
            requestIDHeader: "X-Id", limits: [], feedback: LimitFeedback(), streams: [])
        return ResponseJudge(manifest: manifest, stream: "s", secrets: ["k": SecretString("topsecret")])
            .failure(
                of: .success(
                    HTTPResponse(
                        status: status, headers: HTTPHeaders(headers), body: Array(body.utf8),
                        url: "https://a")))
    }

    @Test(arguments: [
        (401, ErrorClass.auth), (403, .permission), (404, .rejected), (408, .transient), (425, .transient),
        (429, .rateLimited), (500, .transient), (503, .transient), (302, .rejected), (400, .rejected),
    ])
    func `is classified by its status`(status: Int, expected: ErrorClass) {
        #expect(Self.failure(status, "{}")?.errorClass == expected)
    }

    @Test func `is classified by the manifest's rules first`() {
        #expect(Self.failure(403, #"{"error":{"reason":"limit"}}"#)?.errorClass == .rateLimited)
        #expect(Self.failure(403, #"{"error":{"reason":"other"}}"#)?.errorClass == .permission)
        #expect(Self.failure(200, "{}") == nil)
    }

    @Test func `tells the operator what he needs, and no secret`() throws {
        let failure = try #require(
            Self.failure(503, "bad\nkey topsecret", headers: [("X-Id", "r_7"), ("Retry-After", "9")]))

        #expect(failure.errorClass == .rateLimited)
        #expect(failure.retryAfter == .seconds(9))
        #expect(failure.operatorDetail == "stream s: status 503, request id r_7, body: bad key <secret>")
        #expect(failure.userMessage == "Demo is limiting requests. The sync continues in a while.")
    }
}

@Suite struct `A template` {
    @Test func `fills its places and nothing else`() throws {
        let template = try Template("/a/${config.x}/b?${secret.y}$")

        #expect(template.places.map(\.text) == ["${config.x}", "${secret.y}"])
        #expect(
            template.filled { (place: Template.Place) throws(Never) in "<\(place.name)>" } == "/a/<x>/b?<y>$")
    }

    @Test func `survives being a position`() {
        var position = ListPosition()
        position.startedAt = Timestamp(seconds: 7)

        let again = ListPosition(position.following("a|b"))

        #expect(again.startedAt == Timestamp(seconds: 7))
        #expect(again.place == "a|b")
    }
}
