// SPDX-License-Identifier: Apache-2.0

import Credentials
import Cryptography
import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import PostgresClient
import RedisClient
import Settings
import SyncStore
import TestSupport
import Testing
import Vault

/// A provider with OAuth whose secrets are easy to find wherever they show up.
private final class CanaryProvider: Sendable {
    static let mark = "CANARY"
    /// Characters that each encoding writes in its own way.
    static func secret(_ name: String) -> String { "\(mark)-\(name)/+=?&x" }
    static let clientSecret = secret("client")

    private struct State {
        var number = 1
        var requests = 0
        var refusesRefresh = false
        var failed: Set<String> = []
    }

    private let state = LockedBox(State())
    private let server: LockedBox<ScriptedServer?> = LockedBox(nil)

    init() throws {
        let state = state
        let server = try ScriptedServer { request in [Self.answer(request, state)] }
        self.server.withLock { $0 = server }
    }

    var url: String { server.withLock { $0?.url("/demo") ?? "" } }
    var requests: [ScriptedServer.Request] { server.withLock { $0?.log.requests ?? [] } }
    func refuse() { state.withLock { $0.refusesRefresh = true } }

    private static func answer(
        _ request: ScriptedServer.Request, _ state: LockedBox<State>
    ) -> ScriptedServer.Step {
        let sent = String(decoding: request.body, as: UTF8.self) + (request.header("Authorization") ?? "")
        guard request.target.hasPrefix("/demo/items") else {
            return state.withLock { state in
                // A provider that repeats in its errors what it was sent.
                guard !state.refusesRefresh else {
                    return .reply(
                        "400 Bad Request",
                        body: Array(#"{"error":"invalid_grant","error_description":"\#(sent)"}"#.utf8))
                }
                state.number += 1
                let body =
                    #"{"access_token":"\#(secret("at\(state.number)"))","refresh_token":"\#(secret("rt\(state.number)"))","expires_in":3600}"#
                return .reply(body: Array(body.utf8))
            }
        }
        if let token = request.header("Authorization")?.dropFirst("Bearer ".count),
            token.hasPrefix("\(mark)-many-"), let number = Int(token.filter(\.isNumber))
        {
            let isFirst = state.withLock { $0.failed.insert(String(token)).inserted }
            if number % 50 == 0 { return .reply("401 Unauthorized", body: Array("bad token: \(sent)".utf8)) }
            if number % 7 == 0, isFirst { return .reply("500 Oops", body: Array("failed with \(sent)".utf8)) }
            return .reply(body: Array(#"{"data":[{"id":"a"}]}"#.utf8))
        }
        let (current, count) = state.withLock { state in
            state.requests += 1
            return (state.number, state.requests)
        }
        guard request.header("Authorization") == "Bearer \(secret("at\(current)"))" else {
            return .reply("401 Unauthorized", body: Array("bad token: \(sent)".utf8))
        }
        if count == 2 { return .reply("500 Oops", body: Array("failed with \(sent)".utf8)) }
        return .reply(body: Array(#"{"data":[{"id":"a"}]}"#.utf8))
    }
}

@Suite(.serialized) struct `A secret` {
    private static let manifest = """
        lockstep: 1
        service: demo
        base_url: https://api.example.com
        auth:
          kind: oauth2_code
          authorize_url: https://api.example.com/authorize
          token_url: https://api.example.com/token
          client: post
        streams:
          items: { path: /items, records: /data, id: /id, page: { kind: none } }
        """

    /// The forms in which a text may be written; of base64 the part that is the same whatever stands around it.
    private static func forms(of text: String) -> [String] {
        let bytes = Array(text.utf8)
        var forms = [text, Hex.encode(bytes), Hex.encode(bytes).uppercased()]
        for offset in 0..<3 {
            let shifted = Base64.standard.encode([UInt8](repeating: 0x20, count: offset) + bytes)
            let inner = String(shifted.dropFirst(offset == 0 ? 0 : 4).prefix { $0 != "=" }.dropLast(2))
            forms += [
                inner,
                inner.replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_"),
            ]
        }
        if let encoded = text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) {
            forms.append(encoded)
        }
        return forms
    }

    private static func find(_ data: Data, _ place: String) {
        for name in ["at1", "rt1", "at2", "rt2", "at3", "rt3", "client"] {
            // The part before the marks that encodings write differently is enough to be found.
            for text in [CanaryProvider.secret(name), "\(CanaryProvider.mark)-\(name)"] {
                for form in forms(of: text) where data.range(of: Data(form.utf8)) != nil {
                    Issue.record("\(place) has the secret '\(name)' as \(form)")
                }
            }
        }
        for form in forms(of: "\(CanaryProvider.mark)-many-") where data.range(of: Data(form.utf8)) != nil {
            Issue.record("\(place) has a secret of the many as \(form)")
        }
    }

    @Test func `is in no dump, no log, no error and no argument of a process`() async throws {
        let provider = try CanaryProvider()
        let directory = "/tmp/lockstep-canary-\(getpid())"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { Cluster.remove(directory) }
        try Self.manifest.write(toFile: "\(directory)/demo.yaml", atomically: false, encoding: .utf8)
        let extra = [
            "LOCKSTEP_CONNECTORS": directory, "LOCKSTEP_SERVICE_URLS": "demo=\(provider.url)",
            "LOCKSTEP_OAUTH_DEMO_CLIENT_ID": "app", "LOCKSTEP_LOG_LEVEL": "trace",
            "LOCKSTEP_OAUTH_DEMO_CLIENT_SECRET": CanaryProvider.clientSecret,
        ]
        try await Cluster.run(workers: 2, users: 1, objects: 1, extra: extra) { cluster in
            let environment = cluster.processes.environment
            let token =
                #"{"access_token":"\#(CanaryProvider.secret("at1"))","refresh_token":"\#(CanaryProvider.secret("rt1"))","expires_in":3600}"#
            let added = try await `The command`.lockstep(
                "integrations", "add", "u_1", "demo", input: token, environment: environment)
            #expect(added.code == 0, "\(added.text)")
            var said = added.text
            let expire =
                "UPDATE lockstep.credentials SET expires_at = now() - interval '1 s', refresh_at = now() - interval '1 s'"
            _ = try await cluster.pool.query(expire)

            // Renewed because it is over; then an error that repeats the token; then a refusal of the refresh.
            try await cluster.push(#"{"user_id":"u_1","service":"demo","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            #expect(provider.requests.contains { $0.target == "/demo/token" })
            try await cluster.push(#"{"user_id":"u_1","service":"demo","type":"incremental"}"#)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 2)
            provider.refuse()
            _ = try await cluster.pool.query(expire)
            try await cluster.push(#"{"user_id":"u_1","service":"demo","type":"full"}"#)
            try await cluster.until("integrations WHERE status = 'reauth_required'", is: 1)
            try await cluster.until("alerts WHERE kind = 'reauth_required'", is: 1)
            try await Self.syncMany(cluster)
            said += try await Self.pages(cluster)
            said += try await `The command`.lockstep(
                "integrations", "show", "u_1/demo", environment: environment
            ).text
            said += try await `The command`.lockstep("doctor", environment: environment).text

            Self.find(Data(said.utf8), "the output of a command")
            Self.find(
                try Self.output("pg_dump", ["--no-owner", environment["DATABASE_URL"] ?? ""]), "a dump")
            _ = try await cluster.redis.command(["SAVE"])
            let folder = try #require(
                try await cluster.redis.command(["CONFIG", "GET", "dir"]).array?.last?.text)
            for file in try Self.files(below: folder) + Self.files(below: cluster.directory) {
                // The provider's own memory is this process; the servers' data are files like any other.
                if let data = FileManager.default.contents(atPath: file) { Self.find(data, file) }
            }
            for process in try FileManager.default.contentsOfDirectory(atPath: "/proc")
            where Int(process) != nil {
                guard let arguments = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else {
                    continue
                }
                Self.find(arguments, "the arguments of process \(process)")
            }
        }
    }

    private static let many = 1_000

    /// A thousand accounts, each with a secret of its own, some of which are refused or met by an error that repeats them, while a
    /// worker is killed.
    private static func syncMany(_ cluster: Cluster) async throws {
        let vault = CredentialVault(keys: try KeyRing(cluster.settings.keys))
        let writer = CredentialWriter(vault: vault, store: CredentialStore(pool: cluster.pool))
        let store = IntegrationStore(pool: cluster.pool)
        for number in 1...many {
            let id = try await store.add(
                IntegrationKey(userID: "u_many_\(number)", service: "demo"), configuration: Array("{}".utf8)
            ).id
            try await writer.write(
                ["access_token": SecretString(CanaryProvider.secret("many-\(number)"))], kind: .oauth2, to: id
            )
            try await cluster.push(#"{"integration_id":\#(id),"type":"full"}"#)
            if number == many / 2 { #expect(cluster.processes.signalWorker(SIGKILL) != nil) }
        }
        try await cluster.until(
            """
            integrations i WHERE i.user_id LIKE 'u_many_%' AND i.status = 'active' AND NOT EXISTS (
                SELECT 1 FROM lockstep.sync_log l WHERE l.integration_id = i.id AND l.status = 'succeeded')
            """, is: 0, within: .seconds(240))
        #expect(
            try await cluster.count(
                "integrations WHERE user_id LIKE 'u_many_%' AND status = 'reauth_required'")
                == Int64(many / 50))
    }

    /// What the status pages and the API show of all that.
    private static func pages(_ cluster: Cluster) async throws -> String {
        let ports = try await cluster.processes.startGateway(["LOCKSTEP_ADMIN_TOKEN": "t0ken"])
        let url = "http://127.0.0.1:\(ports.privatePort)"
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: ["127.0.0.1:\(ports.privatePort)"])
        let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
        let form = Array("token=t0ken".utf8)
        let signed = try await http.send(
            HTTPRequest(
                method: "POST", url: "\(url)/signin",
                headers: [("Content-Type", "application/x-www-form-urlencoded")], body: form))
        let cookie = try #require(signed.headers.first("Set-Cookie")?.split(separator: ";").first)
        let runs = try await cluster.pool.query(
            "SELECT id, integration_id FROM lockstep.sync_log ORDER BY status = 'succeeded', id LIMIT 20")
        var paths = ["/", "/integrations", "/dead-letters", "/sweeps", "/schedules"]
        for row in 0..<runs.count {
            let (run, account) = (runs.int(row, 0) ?? 0, runs.int(row, 1) ?? 0)
            paths += ["/runs/\(run)", "/integrations/\(account)", "/integrations/\(account)/quarantine"]
            paths += [
                "/api/v1/runs/\(run)", "/api/v1/runs/\(run)/requests", "/api/v1/integrations/\(account)",
            ]
        }
        var text = ""
        for path in paths {
            let answer = try await http.send(
                HTTPRequest(
                    method: "GET", url: url + path,
                    headers: path.hasPrefix("/api/")
                        ? [("Authorization", "Bearer t0ken")] : [("Cookie", String(cookie))]))
            #expect(answer.status == 200, "\(path)")
            text += String(decoding: answer.body, as: UTF8.self)
        }
        #expect(text.contains("has to be connected again"))
        return text
    }

    private static func output(_ program: String, _ arguments: [String]) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = [program] + arguments
        let pipe = Pipe()
        process.standardOutput = pipe
        try process.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(data.count > 10_000)
        return data
    }

    private static func files(below directory: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: directory).map { "\(directory)/\($0)" }.filter {
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: $0, isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }
    }
}

@Suite(.serialized) struct `An erased integration` {
    @Test func `may be added again, and workers that knew it sync the new one`() async throws {
        try await Cluster.run(workers: 2, users: 1, objects: 50) { cluster in
            let old = try await cluster.connect("stripe", users: 1)
            let environment = cluster.processes.environment
            // Both workers get to know it: one job after the other, until each has run one.
            var number = 0
            while number < 100,
                try await cluster.pool.query("SELECT count(DISTINCT worker) FROM lockstep.sync_log").int(0, 0)
                    != 2
            {
                number += 1
                try await cluster.push(
                    #"{"user_id":"u_1","service":"stripe","type":"full","id":"before-\#(number)"}"#)
                try await cluster.until("sync_log WHERE status = 'succeeded'", is: Int64(number))
            }
            let erased = try await `The command`.lockstep(
                "integrations", "erase", "u_1/stripe", "--yes", environment: environment)
            #expect(erased.code == 0, "\(erased.text)")

            let new = try await cluster.connect("stripe", users: 1)
            #expect(new != old)
            for number in 1...8 {
                try await cluster.push(
                    #"{"user_id":"u_1","service":"stripe","type":"full","id":"after-\#(number)"}"#)
                try await cluster.until(
                    "sync_log WHERE status = 'succeeded' AND integration_id = \(new[0])", is: Int64(number))
            }

            #expect(try await cluster.queue.deadLetters().letters.isEmpty)
            #expect(try await cluster.count("sync_log WHERE attempt > 1") == 0)
        }
    }

    @Test func `does not come back when a worker that was stopped goes on`() async throws {
        try await Cluster.run(workers: 1, users: 2, objects: 600) { cluster in
            let ids = try await cluster.connect("stripe", users: 2)
            let environment = cluster.processes.environment
            _ = try await cluster.control("faults?kind=slow&milliseconds=100&times=100000")
            for job in ["one", "two"] {
                try await cluster.push(
                    #"{"user_id":"u_1","service":"stripe","type":"\#(job == "one" ? "full" : "incremental")","id":"\#(job)"}"#
                )
            }
            try await cluster.push(#"{"user_id":"u_9","service":"stripe","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'running' AND pages > 0", is: 1)
            #expect(cluster.processes.signalWorker(SIGSTOP) != nil)

            let erased = try await `The command`.lockstep(
                "integrations", "erase", "u_1/stripe", "--yes", "--json", environment: environment)
            #expect(erased.code == 0, "\(erased.text)")
            #expect(erased.output.contains(#""tokens":"unsupported""#), "\(erased.output)")
            #expect(erased.output.contains("records"))
            // The stopped worker goes on after its lease, with a page in its hands.
            try await ContinuousClock().sleep(for: .seconds(4))
            #expect(cluster.processes.signalWorker(SIGCONT) != nil)
            let deadline = ContinuousClock.now.advanced(by: .seconds(90))
            while try await cluster.queue.statistics().inFlight != 0, ContinuousClock.now < deadline {
                try await ContinuousClock().sleep(for: .milliseconds(50))
            }

            for table in [
                "integrations", "records", "sync_log", "sync_state", "sync_seen", "deletions", "quarantine",
                "alerts",
            ] {
                let column = table == "integrations" ? "id" : "integration_id"
                #expect(try await cluster.count("\(table) WHERE \(column) = \(ids[0])") == 0, "\(table)")
            }
            #expect(try await cluster.count("erasures WHERE completed_at IS NOT NULL") == 1)
            let letters = try await cluster.queue.deadLetters().letters
            #expect(!letters.contains { String(decoding: $0.payload, as: UTF8.self).contains("u_1") })
            let statistics = try await cluster.queue.statistics()
            #expect(statistics.parked == 0 && statistics.delayed == 0)
            // The other user's account is as it was.
            _ = try await cluster.control("faults", method: "DELETE")
            try await cluster.push(#"{"user_id":"u_2","service":"stripe","type":"full"}"#)
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            let again = try await `The command`.lockstep(
                "integrations", "erase", "u_1/stripe", "--yes", environment: environment)
            #expect(again.code == 66)
            #expect(
                try await `The command`.lockstep(
                    "integrations", "erase", "u_2/stripe", environment: environment
                ).code
                    == 64)
        }
    }
}
