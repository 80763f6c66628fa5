// SPDX-License-Identifier: Apache-2.0

import Foundation
import HTTPTransport
import Logging
import Model
import NIOCore
import TestSupport
import Testing

@testable import Gateway

private struct Broken: Error {
    let secret = "hunter2"
}

private let echo = Route("POST", "/echo") { request in
    GatewayResponse(
        status: 200,
        headers: [
            ("X-Signature", request.headers.first("x-signature") ?? ""),
            ("X-Query", request.rawQuery ?? "none"),
        ],
        body: request.body)
}

@Suite struct `A listener` {
    @Test func `hands the raw bytes and headers to the route, and its answer back`() async throws {
        let routes = [
            echo,
            Route("GET", "/hello/{name}") { request in
                GatewayResponse(
                    status: 201,
                    body: Array("\(request.parameters["name"] ?? "") \(request.query["q"] ?? "")".utf8))
            },
        ]
        try await ServedGateway.run(publicRoutes: routes) { served in
            let bytes: [UInt8] = [0, 255, 13, 10, 37]
            let echoed = try await served.send(
                "POST", "/echo", headers: [("X-Signature", "v0=1")], body: bytes)
            #expect(echoed.status == 200 && echoed.body == bytes)
            #expect(echoed.headers.first("x-signature") == "v0=1")
            #expect(echoed.headers.first("x-query") == "none")
            // Some providers sign it as it is.
            let asked = try await served.send("POST", "/echo?a=%2f+b&c", body: bytes)
            #expect(asked.headers.first("x-query") == "a=%2f+b&c")
            #expect(echoed.headers.first("x-content-type-options") == "nosniff")
            #expect(echoed.headers.first("cache-control") == "no-store")

            let hello = try await served.send("GET", "/hello/J%C3%BCrgen?q=a+b")
            #expect(hello.status == 201 && hello.text == "Jürgen a b")
            let head = try await served.send("HEAD", "/hello/x")
            #expect(head.status == 201 && head.body.isEmpty)
        }
    }

    @Test func `keeps its two sides apart`() async throws {
        let secret = Route("GET", "/api") { _ in GatewayResponse(status: 200) }
        try await ServedGateway.run(publicRoutes: [echo], privateRoutes: [secret]) { served async throws in
            #expect(try await served.send("GET", "/api").status == 404)
            #expect(try await served.send("GET", "/api", toPrivate: true).status == 200)
            #expect(try await served.send("POST", "/echo", body: [1], toPrivate: true).status == 404)
        }
    }

    @Test func `says what is wrong as a problem, and nothing of the inside`() async throws {
        let routes = [
            echo, Route("GET", "/broken") { _ in throw Broken() },
            Route("GET", "/refused") { _ in
                throw Problem(429, "slow_down", "Wait.", headers: [("Retry-After", "7")])
            },
        ]
        try await ServedGateway.run(publicRoutes: routes) { served in
            let broken = try await served.send("GET", "/broken?token=abc")
            #expect(broken.status == 500)
            #expect(broken.headers.first("content-type") == "application/problem+json")
            #expect(!broken.text.contains("hunter2") && !broken.text.contains("Broken"))
            let id = try #require(broken.headers.first("x-request-id"))
            #expect(broken.text.contains(id))

            let refused = try await served.send("GET", "/refused")
            #expect(refused.status == 429 && refused.headers.first("retry-after") == "7")
            #expect(refused.text.contains(#""code":"slow_down""#))

            let method = try await served.send("GET", "/echo")
            #expect(method.status == 405 && method.headers.first("allow") == "POST")
            #expect(try await served.send("GET", "/nowhere").status == 404)
            #expect(try await served.send("GET", "/refused?a=%zz").status == 400)
        }
    }

    @Test func `refuses what is too large, compressed or cut`() async throws {
        try await ServedGateway.run(publicRoutes: [echo]) { served in
            let most = [UInt8](repeating: 7, count: 1 << 20)
            #expect(try await served.send("POST", "/echo", body: most).body == most)
            #expect(try await served.send("POST", "/echo", body: most + [1]).status == 413)
            let compressed = try await served.send(
                "POST", "/echo", headers: [("Content-Encoding", "gzip")], body: [31, 139])
            #expect(compressed.status == 415)

            // Without a length the size is known only as it comes.
            let endless = try await RawConnection.open(port: served.ports.publicPort)
            try await endless.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            let chunk = "10000\r\n" + String(repeating: "x", count: 0x10000) + "\r\n"
            for _ in 0..<17 { try await endless.send(chunk) }
            #expect(try await endless.textAtEnd().hasPrefix("HTTP/1.1 413 "))

            for head in [
                "X-Long: " + String(repeating: "x", count: 9_000),
                (0..<120).map { "X-\($0): 1" }.joined(separator: "\r\n"),
                (0..<8).map { "X-\($0): " + String(repeating: "x", count: 6_000) }.joined(separator: "\r\n"),
            ] {
                let connection = try await RawConnection.open(port: served.ports.publicPort)
                try await connection.send("GET /echo HTTP/1.1\r\nHost: x\r\n\(head)\r\n\r\n")
                #expect(try await connection.textAtEnd().hasPrefix("HTTP/1.1 400 "))
            }
        }
    }

    @Test func `holds a bounded number of bytes of all bodies together`() async throws {
        var limits = ServerLimits()
        limits.bufferedBytes = 1_000
        try await ServedGateway.run(publicRoutes: [echo], limits: limits) { served in
            let slow = try await RawConnection.open(port: served.ports.publicPort)
            try await slow.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
            try await slow.send(String(repeating: "x", count: 800))
            var status = 0
            let deadline = ContinuousClock.now + .seconds(60)
            while status != 503, ContinuousClock.now < deadline {
                status = try await served.send("POST", "/echo", body: [UInt8](repeating: 1, count: 300))
                    .status
            }
            #expect(status == 503)
            try await slow.send(String(repeating: "x", count: 100))
            try await slow.close()
            while status != 200, ContinuousClock.now < deadline {
                status = try await served.send("POST", "/echo", body: [UInt8](repeating: 1, count: 300))
                    .status
            }
            #expect(status == 200)
        }
    }

    @Test func `ends a connection that trickles its head or its body`() async throws {
        var limits = ServerLimits()
        limits.headTime = .milliseconds(300)
        limits.bodyTime = .milliseconds(300)
        try await ServedGateway.run(publicRoutes: [echo], limits: limits) { served in
            for head in ["GET /", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"] {
                let start = ContinuousClock.now
                let connection = try await RawConnection.open(port: served.ports.publicPort)
                try await connection.send(head)
                while connection.isOpen, start.duration(to: .now) < .seconds(20) {
                    // One byte at a time, more often than any idle time.
                    do { try await connection.send("x") } catch { break }
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(start.duration(to: .now) < .seconds(10))
                #expect(try await connection.textAtEnd() == "")
            }
        }
    }

    @Test func `answers others while a thousand slow senders are connected`() async throws {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = min(limit.rlim_max, 8_192)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        // What the machine does to any answer at that time: a server that does next to nothing, on threads of its own.
        let control = try ScriptedServer { _ in [.reply()] }
        // A busy machine takes its time for a thousand connections, and none of them is to end before the others are there.
        var limits = ServerLimits()
        (limits.headTime, limits.bodyTime) = (.seconds(300), .seconds(300))
        try await ServedGateway.run(
            publicRoutes: [echo], limits: limits, alsoAllowing: [control.origin]
        ) { served in
            var slow: [RawConnection] = []
            for index in 0..<1_000 {
                let connection = try await RawConnection.open(port: served.ports.publicPort)
                try await connection.send(
                    index % 2 == 0
                        ? "GET /echo HTTP/1.1\r\nX-Slow: "
                        : "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nxx")
                slow.append(connection)
            }
            _ = try await served.send("POST", "/echo", body: [1])
            var (times, others): ([Duration], [Duration]) = ([], [])
            for _ in 0..<300 {
                let start = ContinuousClock.now
                #expect(try await served.send("POST", "/echo", body: [1, 2, 3]).status == 200)
                let middle = ContinuousClock.now
                let answer = try await served.http.send(HTTPRequest(method: "GET", url: control.url()))
                #expect(answer.status == 200)
                times.append(start.duration(to: middle))
                others.append(middle.duration(to: .now))
            }
            // At most one in a hundred may take longer than 50 ms. A busy machine delays some of any server's answers, and it
            // delays the control's as well, which are asked for in turn: as many again, and as chance has it twice as many, are not
            // the slow senders' doing. On a quiet machine the control has none, and the promise is what is left.
            let promise: Duration = .milliseconds(50)
            let (late, usual) = (times.count { $0 > promise }, others.count { $0 > promise })
            #expect(
                late <= times.count / 100 + 2 * usual,
                "\(late) late ones of \(times.count), \(usual) at the control; the slowest took \(times.max() ?? .zero)"
            )
            #expect(slow.count { $0.isOpen } == 1_000)
            for connection in slow { try await connection.close() }
        }
    }

    @Test func `logs neither queries nor headers`() async throws {
        let lines = LockedBox<[String]>([])
        let logger = Logger(label: "gateway") { _ in LineCollector(lines: lines) }
        try await ServedGateway.run(publicRoutes: [echo], logger: logger) { served in
            _ = try await served.send(
                "POST", "/echo?code=c0de",
                headers: [("Authorization", "Bearer t0ken"), ("Cookie", "s=c00kie")],
                body: Array("b0dy".utf8))
        }
        let text = lines.withLock { $0.joined(separator: "\n") }
        #expect(text.contains("request") && text.contains("/echo"))
        for secret in ["c0de", "t0ken", "c00kie", "b0dy"] { #expect(!text.contains(secret)) }
    }

    @Test func `says whether it can keep what it accepts`() async throws {
        try await ServedGateway.run(finding: .init(ledger: nil, dispatcher: "Redis: away")) { served in
            for toPrivate in [false, true] {
                #expect(try await served.send("GET", "/healthz", toPrivate: toPrivate).status == 200)
                let ready = try await served.settled("/readyz", toPrivate: toPrivate)
                #expect(ready.status == 200 && ready.text == "ready, but Redis: away\n")
            }
        }
        try await ServedGateway.run(finding: .init(ledger: "Postgres: away", dispatcher: nil)) { served in
            let ready = try await served.settled("/readyz", toPrivate: false)
            #expect(ready.status == 503 && ready.text == "Postgres: away\n")
        }
    }
}

extension ServedGateway {
    /// The answer after the first check.
    fileprivate func settled(_ target: String, toPrivate: Bool) async throws -> HTTPResponse {
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let answer = try await send("GET", target, toPrivate: toPrivate)
            if answer.text != "not checked yet\n" || ContinuousClock.now > deadline { return answer }
        }
    }
}

private struct LineCollector: LogHandler {
    let lines: LockedBox<[String]>
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.trace

    init(lines: LockedBox<[String]>) {
        self.lines = lines
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        lines.withLock { $0.append("\(event.message) \(all)") }
    }
}
