// SPDX-License-Identifier: Apache-2.0

import Foundation
import Model
import PostgresClient
import TestSupport
import Testing

/// Eight accounts at one worker, whose provider sends each the largest answers that it can think of.
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
        """

    /// What design.md promises.
    private static let limit = 256 << 20

    @Test func `stays within its bound whatever providers send`() async throws {
        let provider = try ScriptedServer { request in
            [HoardAnswer(request).step]
        }
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
                "sync_log WHERE status IN ('succeeded', 'failed')", atLeast: Int64(users),
                within: .seconds(240))
            let peak = try await Self.peak(cluster)
            #expect(peak < Self.limit, "the worker took \(peak >> 20) MiB")
            print("peak \(peak >> 20) MiB")
            let rows = try await cluster.pool.query(
                "SELECT user_id, status, error_code, pages, records_read, throttled_ms FROM lockstep.sync_log ORDER BY id"
            )
            for row in 0..<rows.count { print((0..<6).map { rows.text(row, $0) ?? "-" }) }
            for request in provider.log.requests {
                print(request.target, request.header("authorization") ?? "")
            }
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

/// What the provider sends to an account: pages of one shape, as large as a page may be.
private struct HoardAnswer {
    static let shapes = ["long", "short", "dense", "odd", "broken", "deep", "mixed", "long"]
    private static let pages = 4
    private static let size = (16 << 20) - 4096

    let step: ScriptedServer.Step

    init(_ request: ScriptedServer.Request) {
        let user =
            request.header("authorization").flatMap { $0.split(separator: "_").last }.flatMap { Int($0) } ?? 1
        let page = request.target.split(separator: "=").last.flatMap { Int($0) } ?? 0
        var body = Array(#"{"data":["#.utf8)
        Self.fill(&body, Self.shapes[(user - 1) % Self.shapes.count], page)
        if body.last == UInt8(ascii: ",") { body.removeLast() }
        body += Array(#"],"next":\#(page < Self.pages ? "\"\(page + 1)\"" : "null")}"#.utf8)
        step = .reply(headers: "Content-Type: application/json\r\n", body: body)
    }

    private static func fill(_ body: inout [UInt8], _ shape: String, _ page: Int) {
        var number = page * 1_000_000
        while body.count < size {
            number += 1
            let record: String
            switch shape {
            case "long": record = #"{"id":"\#(number)","text":"\#(String(repeating: "x", count: 900_000))"},"#
            case "short": record = #"{"id":"\#(number)","text":"\#(String(repeating: "y", count: 150))"},"#
            case "dense":
                record = #"{"id":"\#(number)","list":[\#(String(repeating: "0,", count: 200_000))0]},"#
            case "odd":
                record = #"{"id":"\#(number)","text":"\#(String(repeating: "z", count: 4_000_000))"},"#
            case "broken":
                record = #"{"id":"\#(number)","text":"\#(String(repeating: "\\u0000", count: 50_000))"},"#
            case "deep":
                record =
                    #"{"id":"\#(number)","list":\#(String(repeating: "[", count: 200))\#(String(repeating: "]", count: 200))},"#
            default: record = #"{"id":"\#(number)","text":"\#(String(repeating: "é\\n", count: 10_000))"},"#
            }
            guard body.count + record.utf8.count < size else { return }
            body += Array(record.utf8)
        }
    }
}
