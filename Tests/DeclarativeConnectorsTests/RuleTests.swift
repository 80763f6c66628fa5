// SPDX-License-Identifier: Apache-2.0

import BuiltinConnectors
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

@Suite struct `A page` {
    private static func source(_ text: String) throws -> ValueSource {
        text.hasPrefix("/") ? .body(try JSONPointer(text)) : .header(text)
    }

    private static func outcome(
        _ kind: PageRule.Kind, _ body: String, at place: String? = nil, _ end: [PageRule.End],
        headers: [(name: String, value: String)] = []
    ) throws -> PageJudge.Outcome {
        let rule = PageRule(kind: kind, end: end, sizeParameter: nil, size: 2)
        var plan = ScanPlan(records: try JSONPointer("/data"), id: [try JSONPointer("/id")])
        plan.envelope = rule.envelope
        let page = try PageScanner(plan: plan).scan(Array(body.utf8))
        return try PageJudge(rule: rule, plan: plan, pageSize: 2)
            .outcome(page, at: place, headers: HTTPHeaders(headers))
    }

    private static let two = #"{"data":[{"id":"a"},{"id":"b"}]"#
    private static let absent: [PageRule.End] = [.missing, .null, .empty]

    @Test func `goes on by a token, and ends where there is none, as the manifest says`() throws {
        let token = PageRule.Kind.token(try Self.source("/next"), .query("t"))
        #expect(try Self.outcome(token, Self.two + #","next":"x"}"#, Self.absent) == .next("x"))
        #expect(try Self.outcome(token, #"{"data":[],"next":"x"}"#, Self.absent) == .next("x"))
        #expect(try Self.outcome(token, Self.two + #","next":7}"#, Self.absent) == .next("7"))
        for (rest, end) in [
            ("}", PageRule.End.missing), (#","next":null}"#, .null), (#","next":""}"#, .empty),
        ] {
            #expect(try Self.outcome(token, Self.two + rest, [end]) == .end(.nextTokenAbsent))
            // Any other way to have no token is not the end that the manifest names.
            let others = Self.absent.filter { $0 != end }
            #expect(throws: PageJudge.Contradiction.self) { try Self.outcome(token, Self.two + rest, others) }
        }

        let header = PageRule.Kind.token(try Self.source("X-Next"), .query("t"))
        #expect(
            try Self.outcome(header, Self.two + "}", [.missing], headers: [("x-next", "y")]) == .next("y"))
        #expect(try Self.outcome(header, Self.two + "}", [.missing]) == .end(.nextTokenAbsent))
    }

    @Test func `ends by a flag, an equal value, or a word in a header`() throws {
        let token = PageRule.Kind.token(try Self.source("/next"), .query("t"))
        let next = Self.two + #","next":"x","#
        #expect(
            try Self.outcome(token, next + #""last":true}"#, [.endFlag(Self.source("/last"))])
                == .end(.endFlag))
        #expect(
            try Self.outcome(token, next + #""last":false}"#, [.endFlag(Self.source("/last"))]) == .next("x"))
        let done = PageRule.End.equals(try Self.source("/state"), [.string("done")])
        #expect(try Self.outcome(token, next + #""state":"done"}"#, [done]) == .end(.endFlag))
        #expect(try Self.outcome(token, next + #""state":"busy"}"#, [done]) == .next("x"))
        let more = PageRule.End.hasMore(try Self.source("X-More"))
        #expect(
            try Self.outcome(token, next + #""a":1}"#, [more], headers: [("X-More", "false")])
                == .end(.hasMoreFalse))
    }

    /// Jira's search: `isLast` and the token are both optional.
    @Test func `ends without a token beside a flag that says nothing`() throws {
        let token = PageRule.Kind.token(try Self.source("/next"), .query("t"))
        let end: [PageRule.End] = [.missing, .null, .endFlag(try Self.source("/last"))]
        #expect(try Self.outcome(token, Self.two + "}", end) == .end(.nextTokenAbsent))
        #expect(
            try Self.outcome(token, Self.two + #","next":null,"last":null}"#, end) == .end(.nextTokenAbsent))
        #expect(try Self.outcome(token, Self.two + #","next":"x"}"#, end) == .next("x"))
        #expect(try Self.outcome(token, Self.two + #","last":true}"#, end) == .end(.endFlag))
        for rest in [#","last":false}"#, #","next":null,"last":"no"}"#] {
            #expect(throws: PageJudge.Contradiction.self) { try Self.outcome(token, Self.two + rest, end) }
        }
    }

    @Test func `of each other kind goes on or ends for a reason`() throws {
        let last = PageRule.Kind.lastID(.query("after"))
        let more = PageRule.End.hasMore(try Self.source("/more"))
        #expect(try Self.outcome(last, Self.two + #","more":true}"#, [more]) == .next("b"))
        #expect(try Self.outcome(last, Self.two + #","more":false}"#, [more]) == .end(.hasMoreFalse))
        #expect(try Self.outcome(last, #"{"data":[]}"#, [.emptyPage]) == .end(.emptyPage))

        let number = PageRule.Kind.pageNumber(.query("page"), first: 1)
        let total = PageRule.End.total(try Self.source("/n"))
        #expect(try Self.outcome(number, Self.two + "}", [.emptyPage]) == .next("2"))
        #expect(try Self.outcome(number, Self.two + #","n":4}"#, at: "2:2", [total]) == .end(.totalReached))
        // As an earlier version stored it.
        #expect(try Self.outcome(number, Self.two + #","n":4}"#, at: "2", [total]) == .end(.totalReached))
        #expect(try Self.outcome(number, #"{"data":[{"id":1}]}"#, [.shortPage]) == .end(.shortPage))
        #expect(try Self.outcome(number, #"{"data":[{"id":1}]}"#, [.emptyPage]) == .next("2"))

        #expect(try Self.outcome(.offset(.query("o")), Self.two + "}", at: "2", [.emptyPage]) == .next("4"))
        #expect(
            try Self.outcome(
                .linkHeader, Self.two + "}", [.noNextLink], headers: [("Link", "<https://a/2>; rel=next")])
                == .next("https://a/2"))
        #expect(try Self.outcome(.linkHeader, Self.two + "}", [.noNextLink]) == .end(.nextLinkAbsent))
        #expect(try Self.outcome(.none, Self.two + "}", []) == .end(.singlePage))
    }

    @Test(arguments: [
        PageRule.Kind.pageNumber(.query("page"), first: 1), .offset(.query("offset")),
    ])
    func `that is smaller than asked for is no end before the total`(kind: PageRule.Kind) throws {
        let total = PageRule.End.total(try Self.source("/n"))
        for end in [[total], [total, .shortPage], [.shortPage, total], [total, .emptyPage]] {
            var place: String?
            // Asked for two, given one, of three.
            for _ in 0..<2 {
                guard
                    case .next(let next) = try Self.outcome(
                        kind, #"{"data":[{"id":1}],"n":3}"#, at: place, end)
                else {
                    Issue.record("the list ended at \(place ?? "its first page")")
                    return
                }
                place = next
            }
            #expect(
                try Self.outcome(kind, #"{"data":[{"id":1}],"n":3}"#, at: place, end) == .end(.totalReached))
        }
        // Without a total in the page, the manifest's other ends hold.
        #expect(try Self.outcome(kind, #"{"data":[{"id":1}]}"#, [total, .shortPage]) == .end(.shortPage))
        #expect(try Self.outcome(kind, #"{"data":[],"n":3}"#, [total, .emptyPage]) == .end(.emptyPage))
        #expect(throws: PageJudge.Contradiction.self) {
            try Self.outcome(kind, #"{"data":[],"n":3}"#, [total])
        }
    }

    /// Of five records that a provider counts it shows three: the third page is the last one that five fill.
    @Test func `that is empty behind the last one of its total is the end`() throws {
        let total = PageRule.End.total(try Self.source("/n"))
        let empty = #"{"data":[],"n":5}"#
        for (first, last) in [(0, 3), (1, 4)] {
            let kind = PageRule.Kind.pageNumber(.query("page"), first: first)
            #expect(try Self.outcome(kind, empty, at: "\(last):3:2", [total]) == .end(.totalReached))
            #expect(throws: PageJudge.Contradiction.self) {
                try Self.outcome(kind, empty, at: "\(last - 1):3:2", [total])
            }
            // Two are asked for; where nobody has seen more than one, there may be five pages.
            #expect(throws: PageJudge.Contradiction.self) {
                try Self.outcome(kind, empty, at: "\(last):3:1", [total])
            }
            #expect(try Self.outcome(kind, empty, at: "\(first + 5):3:1", [total]) == .end(.totalReached))
        }
    }

    @Test(
        arguments: [
            PageRule.Kind.pageNumber(.query("page"), first: 1), .offset(.query("offset")),
        ], [#"{"data":[{"id":1}],"n":-1}"#, #"{"data":[{"id":1}],"n":0}"#, #"{"data":[],"n":-1}"#])
    func `is not ended by a total that cannot be`(kind: PageRule.Kind, body: String) throws {
        let total = PageRule.End.total(try Self.source("/n"))
        #expect(throws: PageJudge.Contradiction.self) { try Self.outcome(kind, body, [total]) }
        #expect(try Self.outcome(kind, #"{"data":[],"n":0}"#, [total]) == .end(.totalReached))
    }

    @Test func `that contradicts itself is no end`() throws {
        let last = PageRule.Kind.lastID(.query("after"))
        let more = PageRule.End.hasMore(try Self.source("/more"))
        let token = PageRule.Kind.token(try Self.source("/next"), .query("t"))
        let contradictions: [(PageRule.Kind, String, [PageRule.End])] = [
            (last, #"{"data":[],"more":true}"#, [more]), (last, Self.two + "}", [more]),
            (token, Self.two + #","more":true}"#, [more] + Self.absent),
            (token, Self.two + #","next":true}"#, Self.absent),
            (.offset(.query("o")), #"{"data":[],"n":9}"#, [.total(try Self.source("/n"))]),
        ]
        for (kind, body, end) in contradictions {
            #expect(throws: PageJudge.Contradiction.self) { try Self.outcome(kind, body, end) }
        }
    }
}

@Suite struct `A response that is no page` {
    private static func failure(
        _ status: Int, _ body: String, headers: [(name: String, value: String)] = [],
        rules given: [ErrorRule]? = nil
    ) -> ConnectorError? {
        let rules =
            given ?? [
                ErrorRule(
                    condition: ResponseCondition(
                        status: 403, place: (try? JSONPointer("/error/reason")).map { .body($0) },
                        equals: [.string("limit")]),
                    errorClass: .rateLimited)
            ]
        let manifest = Manifest(
            service: "demo", title: "Demo", baseURL: Template(literal: "https://a"), auth: nil, headers: [],
            errors: rules,
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

    @Test func `may have a status of success`() throws {
        let rules = [
            ErrorRule(
                condition: ResponseCondition(
                    status: nil, place: .body(try JSONPointer("/error")), equals: [.string("ratelimited")]),
                errorClass: .rateLimited),
            ErrorRule(
                condition: ResponseCondition(
                    status: nil, place: .body(try JSONPointer("/ok")), equals: [.bool(false)]),
                errorClass: .rejected),
            ErrorRule(
                condition: ResponseCondition(status: 202, place: nil, equals: []),
                errorClass: .transient),
        ]
        let found = { Self.failure($0, $1, rules: rules)?.errorClass }
        // An empty list beside the error would else be a complete one, and delete everything.
        #expect(found(200, #"{"ok":false,"error":"ratelimited","data":[]}"#) == .rateLimited)
        #expect(found(200, #"{"ok":false,"error":"fatal","data":[]}"#) == .rejected)
        #expect(found(200, #"{"ok":true,"data":[]}"#) == nil)
        #expect(found(202, "") == .transient)
        let any = [
            ErrorRule(
                condition: ResponseCondition(
                    status: nil, place: .body(try JSONPointer("/error")), equals: []),
                errorClass: .rejected)
        ]
        #expect(Self.failure(200, #"{"error":null}"#, rules: any) == nil)
        #expect(Self.failure(200, #"{"error":"x"}"#, rules: any)?.errorClass == .rejected)
    }

    private static func github(
        _ status: Int, _ body: String, headers: [(name: String, value: String)] = []
    ) throws -> ConnectorError? {
        let registry = try ConnectorRegistry.load(builtin: BuiltinManifests.all, directories: [])
        let connector = try #require(registry.connector(for: "github") as? ManifestConnector)
        return Self.failure(status, body, headers: headers, rules: connector.manifest.errors)
    }

    /// Pages about limits that GitHub has named.
    @Test(arguments: [
        "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api",
        "https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api",
        "https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
        "https://docs.github.com/en/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
        "https://docs.github.com/rest/overview/resources-in-the-rest-api#secondary-rate-limits",
    ])
    func `of GitHub is a limit when it names a page about limits`(url: String) throws {
        let failure = try Self.github(403, #"{"message":"x","documentation_url":"\#(url)"}"#)
        #expect(failure?.errorClass == .rateLimited)
        #expect(failure?.retryAfter == .seconds(60))
    }

    @Test func `of GitHub is a limit when its headers say so, and else a lack of permission`() throws {
        let waits = try Self.github(
            403, "{}", headers: [("retry-after", "120"), ("X-RateLimit-Remaining", "7")])
        #expect(waits?.errorClass == .rateLimited)
        #expect(waits?.retryAfter == .seconds(120))
        // The header of the reset says when; a minute would be a guess.
        let spent = try Self.github(403, "{}", headers: [("X-RateLimit-Remaining", "0")])
        #expect(spent?.errorClass == .rateLimited)
        #expect(spent?.retryAfter == nil)
        #expect(try Self.github(429, "{}")?.retryAfter == .seconds(60))
        let refused = try Self.github(
            403,
            #"{"message":"Resource not accessible by integration","documentation_url":"https://docs.github.com/rest"}"#,
            headers: [("X-RateLimit-Remaining", "10")])
        #expect(refused?.errorClass == .permission)
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
}

@Suite struct `A position` {
    @Test func `survives being stored`() throws {
        var position = ListPosition()
        #expect(ListPosition(position.page) == position)
        position.startedAt = Timestamp(seconds: 7)
        position.since = "2026-01-01|é"
        position.part = .deleted
        position.window = ListPosition.Window(start: Timestamp(seconds: 1), end: Timestamp(seconds: 2))
        position.after = ""
        position.place = "a|b=%"
        #expect(ListPosition(position.page) == position)
    }
}
