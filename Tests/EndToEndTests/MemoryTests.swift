// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import PostgresClient
import TestSupport
import Testing

/// Twelve accounts at one worker, whose provider sends each the largest answers that it can think of.
@Suite(.serialized) struct `The memory of a worker` {
    private static let manifest = """
        lockstep: 1
        service: hoard
        title: Hoard
        base_url: https://hoard.example
        auth: { kind: bearer, token: "${secret.access_token}" }
        streams:
          items:
            path: /items
            records: /data
            id: /id
            page: { kind: token, token: /next, parameter: after, end: missing }
            absence: full_run
          parts:
            path: /parts
            records: /data
            id: /id
            page: { kind: none }
            hydrate: { path: "/parts/${id}", gone: [404] }
            absence: full_run
          rows:
            path: /rows
            layout: csv
            id: /id
            page: { kind: none }
            absence: full_run
        """

    /// What design.md promises.
    private static let limit = 256 << 20

    @Test func `stays within its bound whatever providers send`() async throws {
        let provider = try ScriptedServer { request in HoardAnswer(request).steps }
        let directory = "/tmp/lockstep-hoard-\(getpid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { Cluster.remove(directory) }
        try Self.manifest.write(toFile: "\(directory)/hoard.yaml", atomically: false, encoding: .utf8)
        let extra = [
            "LOCKSTEP_CONNECTORS": directory, "LOCKSTEP_SERVICE_URLS": "hoard=\(provider.url(""))",
        ]
        try await Cluster.run(workers: 1, users: 1, objects: 1, lease: "10s", extra: extra) { cluster in
            let users = HoardAnswer.shapes.count
            try await cluster.connect("hoard", users: users)
            for user in 1...users {
                try await cluster.push(#"{"user_id":"u_\#(user)","service":"hoard","type":"full"}"#)
            }
            try await cluster.until(
                "sync_log WHERE status IN ('succeeded', 'failed')", is: Int64(users), within: .seconds(240))
            let peak = try await Self.peak(cluster)
            #expect(peak < Self.limit, "the worker took \(peak >> 20) MiB")
            // The one whose list never ends fails, and nobody else.
            try await cluster.until("sync_log WHERE error_code = 'body_too_large'", is: 1)
            try await cluster.until("sync_log WHERE status = 'failed'", is: 1)
            // Of each account that came to it, one part is larger than what can be stored.
            try await cluster.until(
                "quarantine WHERE stream = 'parts' AND reason = 'too_large'", is: Int64(users - 1))
            try await cluster.until("records WHERE stream = 'rows'", is: Int64(3 * 450 + users - 4))
            try await cluster.until(
                "records WHERE stream = 'parts'", is: Int64((users - 1) * (HoardAnswer.parts - 1)))
        }
    }

    /// The most that the worker's process ever had in memory.
    private static func peak(_ cluster: Cluster) async throws -> Int {
        let rows = try await cluster.pool.query("SELECT DISTINCT worker FROM lockstep.sync_log")
        let name = try #require(rows.text(0, 0))
        let process = try #require(name.split(separator: "-").dropLast().last)
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
        return try #require(Int(line.split(separator: " ").dropLast().last.map(String.init) ?? "")) << 10
    }
}

/// What the provider sends to an account: pages of one shape, a little smaller than a bound for pages.
private struct HoardAnswer {
    static let shapes: [(name: String, mebibytes: Int)] = [
        ("endless", 16), ("long", 16), ("short", 16), ("dense", 16), ("odd", 16), ("broken", 16),
        ("deep", 16),
        ("short", 4), ("dense", 4), ("mixed", 1), ("short", 1), ("dense", 1),
    ]
    /// Objects that are fetched one by one.
    static let parts = 6

    let steps: [ScriptedServer.Step]

    init(_ request: ScriptedServer.Request) {
        let user = request.header("authorization").flatMap { $0.split(separator: "_").last }.flatMap {
            Int($0)
        }
        let shape = Self.shapes[(user ?? 1) - 1]
        let path = request.target.split(separator: "?")[0].split(separator: "/")
        if path.last == "parts" {
            let ids = (1...Self.parts).map { #"{"id":"\#($0)"}"# }.joined(separator: ",")
            steps = [.reply(body: Array(#"{"data":[\#(ids)]}"#.utf8))]
        } else if path.dropLast().last == "parts", let id = path.last {
            let text = String(repeating: "p", count: id == "3" ? 3 << 20 : 1_000_000)
            steps = [.reply(body: Array(#"{"id":"\#(id)","text":"\#(text)"}"#.utf8))]
        } else if path.last == "rows" {
            steps = [
                .reply(headers: "Content-Type: text/csv\r\n", body: Self.table(isWide: shape.mebibytes == 1))
            ]
        } else if shape.name == "endless" {
            steps = [
                .send("HTTP/1.1 200 OK\r\n\r\n"),
                .sendForever(Array(repeating: UInt8(ascii: "["), count: 1 << 16)),
            ]
        } else {
            let page = request.target.split(separator: "=").last.flatMap { Int($0) } ?? 0
            steps = [.reply(body: Self.page(shape.name, page, size: shape.mebibytes << 20))]
        }
    }

    /// A table that has a hundred times its bytes as records, or hardly any row.
    private static func table(isWide: Bool) -> [UInt8] {
        let name = String(repeating: "n", count: isWide ? 60_000 : 10)
        let rows = (1...(isWide ? 450 : 1)).map {
            "\($0),\(String(repeating: "v", count: isWide ? 300 : 1))\n"
        }
        return Array(("id,\(name)\n" + rows.joined()).utf8)
    }

    /// Pages that were made: each is asked for until there is room for it.
    private static let made = LockedBox<[String: [UInt8]]>([:])

    private static func page(_ shape: String, _ page: Int, size: Int) -> [UInt8] {
        let key = "\(shape)/\(page)/\(size)"
        if let known = made.withLock({ $0[key] }) { return known }
        let body = makePage(shape, page, size: size)
        made.withLock { $0[key] = body }
        return body
    }

    private static func makePage(_ shape: String, _ page: Int, size: Int) -> [UInt8] {
        var body = Array(#"{"data":["#.utf8)
        body.reserveCapacity(size)
        var number = page * 1_000_000
        while true {
            number += 1
            let record = #"{"id":"\#(number)",\#(content(shape))}"#
            guard body.count + record.utf8.count + 64 < size, number % 1_000_000 < 100_000 else { break }
            if body.last != UInt8(ascii: "[") { body.append(UInt8(ascii: ",")) }
            body += Array(record.utf8)
        }
        // A second page of those that are not made for seconds.
        return body + Array((page == 0 && size < 16 << 20 ? #"],"next":"1"}"# : "]}").utf8)
    }

    private static func content(_ shape: String) -> String {
        func text(_ piece: String, _ count: Int) -> String {
            #""text":"\#(String(repeating: piece, count: count))""#
        }
        return switch shape {
        case "long": text("x", 900_000)
        case "short": text("y", 140)
        case "dense": #""list":[\#(String(repeating: "0,", count: 200_000))0]"#
        case "odd": text("z", 4_000_000)
        case "broken": text("\\u0000", 50_000)
        case "deep":
            #""list":\#(String(repeating: "[", count: 200))\#(String(repeating: "]", count: 200))"#
        default: text("é\\n", 10_000)
        }
    }
}
