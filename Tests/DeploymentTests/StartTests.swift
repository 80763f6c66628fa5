// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import Logging
import Testing

/// What the manifests describe, as processes of this build before a Redis and a Postgres of their own.
@Suite(.serialized) struct `A cluster as the manifests describe it` {
    private static var programs: String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    }

    @Test func `starts, answers its probes, exports its metrics and ends in time`() async throws {
        let directory = "/tmp/lockstep-manifests-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let system = ["PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"]
        let servers = try await PrivateServers.start(
            directory: directory, sockets: DevCluster.scratch(of: directory), environment: system)
        do {
            try await Self.run(in: directory, servers, system)
        } catch {
            await servers.stop()
            throw error
        }
        await servers.stop()
        for path in [directory, DevCluster.scratch(of: directory)] {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    private static func run(
        in directory: String, _ servers: PrivateServers, _ system: [String: String]
    ) async throws {
        let (manifests, dockerfile) = (try Manifests(), try Dockerfile())
        var metrics = ""
        for workload in manifests.workloads {
            let found = workload.surroundings(manifests, withOptional: true)
            try #require(found.missing.isEmpty)
            // What is mounted there stands below this directory here.
            for (path, content) in found.files {
                let file = URL(fileURLWithPath: directory + path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Example.filled(content).write(to: file, atomically: false, encoding: .utf8)
            }
            var environment = found.environment.mapValues { $0.hasPrefix("/") ? directory + $0 : $0 }
            if environment["REDIS_URL"] != nil { environment["REDIS_URL"] = servers.redisURL }
            if environment["DATABASE_URL"] != nil { environment["DATABASE_URL"] = servers.databaseURL }
            // A free port in place of that of a pod of its own.
            environment["LOCKSTEP_LISTEN"] = "127.0.0.1:0"
            if environment["LOCKSTEP_PRIVATE_LISTEN"] != nil {
                environment["LOCKSTEP_PRIVATE_LISTEN"] = "127.0.0.1:0"
            }
            let log = "\(directory)/\(workload.name).log"
            let program = try #require(dockerfile.programs[workload.image])
            let process = try await ChildProcess.start(
                name: workload.name, program: "\(programs)/\(program)", arguments: workload.arguments,
                environment: system.merging(environment) { $1 }, log: log)
            if workload.object["kind"].text == "Job" {
                let exit = await process.wait()
                let told = try String(contentsOfFile: log, encoding: .utf8)
                #expect(exit == .code(0), "\(told)")
                continue
            }
            do {
                metrics += try await ask(workload, log)
            } catch {
                await process.stop(SIGKILL)
                throw error
            }
            let grace = try #require(workload.pod["terminationGracePeriodSeconds"].number)
            let exit = await process.stop(within: .seconds(grace))
            #expect(exit == .code(0), "\(workload.name) did not end in time")
        }
        let scaled = try #require(try YAML.documents("\(Manifests.directory)/keda/scaledobject.yaml").first)
        let query = try #require(scaled["spec", "triggers"].list.first?["metadata", "query"].text)
        let asked = query.matches(of: /lockstep_[a-z_]+/).map { String($0.0) }
        let exported = metrics.split(separator: "\n").map { String($0.prefix { $0 != "{" && $0 != " " }) }
        #expect(!asked.isEmpty && Set(asked).subtracting(exported).isEmpty, "nobody exports \(asked)")
    }

    /// Waits until a process answers each of its probes with 200; its metrics.
    private static func ask(_ workload: Workload, _ log: String) async throws -> String {
        // With LOCKSTEP_LOG_FORMAT=json: "port":"40001".
        func port(_ name: String) async throws -> Int {
            let deadline = ContinuousClock.now + .seconds(90)
            while ContinuousClock.now < deadline {
                let text = try String(contentsOfFile: log, encoding: .utf8)
                if let found = text.firstRange(of: "\"\(name)\":\""),
                    let number = Int(text[found.upperBound...].prefix { $0 != "\"" })
                {
                    return number
                }
                try await Task.sleep(for: .milliseconds(20))
            }
            throw DevClusterError(
                "\(workload.name) does not start: \(try String(contentsOfFile: log, encoding: .utf8))")
        }
        let first = try await port("port")
        let second = workload.ports.count > 1 ? try await port("private_port") : first
        // The port of the pod, and that of this process.
        let own = [8_080: first, 8_081: second]
        func answer(_ path: String, _ port: Int?) async throws -> (status: Int, text: String) {
            let port = try #require(port.flatMap { own[$0] })
            var configuration = HTTPClientConfiguration()
            configuration.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
            let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
            let response = try await http.send(
                HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)\(path)", headers: []))
            return (response.status, String(decoding: response.body, as: UTF8.self))
        }
        for (path, port) in workload.probes {
            let deadline = ContinuousClock.now + .seconds(90)
            var last = try await answer(path, port)
            while last.status != 200, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(20))
                last = try await answer(path, port)
            }
            #expect(last.status == 200, "\(workload.name) \(path): \(last)")
        }
        let notes = workload.annotations
        let told = try await answer(
            notes["prometheus.io/path"] ?? "", notes["prometheus.io/port"].flatMap { Int($0) })
        #expect(told.status == 200 && told.text.contains("lockstep_"), "\(workload.name): \(told)")
        return "\n\(told.text)"
    }
}
