// SPDX-License-Identifier: Apache-2.0

import DevCluster
import Foundation
import HTTPTransport
import JobQueue
import Logging
import Model
import Testing

@Suite(.serialized) struct `The metrics` {
    /// What a process tells at `/metrics`, by series; checks the form on the way.
    private func scrape(
        _ cluster: Cluster, _ name: String, _ location: SourceLocation = #_sourceLocation
    ) async throws -> [String: Double] {
        let port = try await cluster.processes.port(of: name)
        var configuration = HTTPClientConfiguration()
        configuration.addressPolicy = .allowing(hosts: ["127.0.0.1:\(port)"])
        let http = HTTPClient(configuration: configuration, logger: Logger(label: "http"))
        let response = try await http.send(
            HTTPRequest(method: "GET", url: "http://127.0.0.1:\(port)/metrics", headers: []))
        #expect(response.status == 200, sourceLocation: location)
        let text = String(decoding: response.body, as: UTF8.self)
        #expect(!text.contains("u_1"), "a label names a user", sourceLocation: location)

        var (series, kinds, family) = ([String: Double](), [String: String](), "")
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3).map(String.init)
            if line.hasPrefix("# HELP ") {
                family = words[2]
                #expect(kinds[family] == nil && words.count == 4, "\(line)", sourceLocation: location)
            } else if line.hasPrefix("# TYPE ") {
                #expect(words[2] == family, "\(line)", sourceLocation: location)
                kinds[family] = words[3]
            } else {
                let sample = try #require(line.wholeMatch(of: /([a-z_]+)(\{.*\})? (\S+)/), "\(line)")
                let suffixes = kinds[family] == "histogram" ? ["_bucket", "_sum", "_count"] : [""]
                #expect(suffixes.contains { family + $0 == sample.1 }, "\(line)", sourceLocation: location)
                #expect(series["\(sample.1)\(sample.2 ?? "")"] == nil, "\(line)", sourceLocation: location)
                series["\(sample.1)\(sample.2 ?? "")"] = Double(sample.3)
            }
        }
        return series
    }

    @Test func `of the cluster are the scheduler's, those of jobs their worker's`() async throws {
        try await Cluster.run(workers: 1, users: 2, objects: 50) { cluster in
            try await cluster.connect("stripe", users: 2)
            try await cluster.queue.pause(.user("u_2"))
            for user in ["u_1", "u_2", "nobody"] {
                try await cluster.push("{\"user_id\":\"\(user)\",\"service\":\"stripe\",\"type\":\"full\"}")
            }
            try await cluster.push("no job")
            try await cluster.until("sync_log WHERE status = 'succeeded'", is: 1)
            try await cluster.queue.pause(.queue(.low))
            try await cluster.push(#"{"user_id":"u_1","service":"stripe","type":"full"}"#, queue: "low")
            let deadline = ContinuousClock.now.advanced(by: .seconds(60))
            while try await cluster.queue.deadLetters().total < 2, ContinuousClock.now < deadline {}

            var worker = try await scrape(cluster, "worker-1")
            let runs = #"lockstep_worker_runs_total{outcome="succeeded",service="stripe",type="full"}"#
            // Counted when the worker has heard of the commit, and that the letters are kept.
            let letters = "lockstep_worker_jobs_dead_lettered_total"
            while worker[runs] == nil || worker[letters] != 2, ContinuousClock.now < deadline {
                worker = try await scrape(cluster, "worker-1")
            }
            #expect(worker[runs] == 1)
            #expect(worker[#"lockstep_worker_run_seconds_count{service="stripe",type="full"}"#] == 1)
            #expect(
                worker[#"lockstep_worker_run_seconds_bucket{le="+Inf",service="stripe",type="full"}"#] == 1)
            // One for the user's job, and one for that of nobody, which starts before it is found to be nobody's.
            let starts = worker[#"lockstep_worker_start_delay_seconds_count{queue="default"}"#]
            #expect(starts.map { $0 >= 2 } == true, "\(starts ?? -1)")
            #expect(worker[#"lockstep_worker_dead_letters_total{code="not_json"}"#] == 1)
            #expect(worker[#"lockstep_worker_dead_letters_total{code="unknown_integration"}"#] == 1)
            #expect(worker[#"lockstep_worker_api_calls_total{service="stripe"}"#].map { $0 >= 3 } == true)
            #expect(worker[letters] == 2)
            #expect(worker.keys.allSatisfy { $0.hasPrefix("lockstep_worker_") })

            var scheduler = try await scrape(cluster, "scheduler")
            let success = #"lockstep_service_last_success_age_seconds{service="stripe"}"#
            while scheduler["lockstep_dead_letters"] != 2 || scheduler[success] == nil,
                ContinuousClock.now < deadline
            {
                scheduler = try await scrape(cluster, "scheduler")
            }
            #expect(scheduler[#"lockstep_backlog_jobs{queue="low"}"#] == 1)
            #expect(scheduler[#"lockstep_backlog_jobs{queue="default"}"#] == 0)
            #expect(scheduler[#"lockstep_queue_parked_jobs{reason="pause"}"#] == 1)
            #expect(scheduler[#"lockstep_queue_parked_jobs{reason="integration"}"#] == 0)
            #expect(scheduler[#"lockstep_queue_jobs_total{event="dead"}"#] == 2)
            #expect(scheduler["lockstep_workers"] == 1 && scheduler["lockstep_scheduler_healthy"] == 1)
            let age = try #require(scheduler[success])
            #expect(age >= 0 && age < 60)
            #expect(scheduler[#"lockstep_scheduler_sample_errors_total{server="redis"}"#] == 0)
        }
    }
}
