// SPDX-License-Identifier: Apache-2.0

import JobQueue
import Model
import SyncStore
import UnixSignals

/// Shows how far a backfill is until no more of it will come.
struct BackfillWatch {
    let backfill: String
    let total: Int
    let store: BackfillStore
    let queue: JobQueue

    /// So many of the newest dead letters are looked through.
    private static let lettersLooked = 10_000
    private static let interval: Duration = .seconds(1)
    /// Without a terminal a line comes this often.
    private static let lineInterval: Duration = .seconds(5)

    private enum End: Sendable {
        case over(isComplete: Bool)
        case interrupted
    }

    /// True when all jobs succeeded. On SIGINT the jobs go on.
    func run() async throws -> Bool {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        let end = try await withThrowingTaskGroup(of: End.self) { group in
            group.addTask {
                for await _ in signals { return .interrupted }
                return .interrupted
            }
            group.addTask { .over(isComplete: try await self.watch()) }
            defer { group.cancelAll() }
            return try await group.next() ?? .interrupted
        }
        switch end {
        case .over(let isComplete): return isComplete
        case .interrupted:
            print("\nthe jobs go on; the same command watches again, and enqueues nothing twice")
            return false
        }
    }

    private func watch() async throws -> Bool {
        let output = ProgressOutput()
        var view = BackfillView(total: total)
        var (isQuiet, nextLine) = (false, ContinuousClock.now)
        while true {
            let started = ContinuousClock.now
            let reading = try await read()
            view.note(reading, at: started)
            if view.isOver {
                output.show(view.summary)
                return view.isComplete
            }
            // Twice in a row, as a job may be on its way from one place to another.
            let isEmpty = try await nothingWaits()
            if isEmpty, isQuiet, try await read() == reading {
                output.show(view.summary)
                output.show(
                    "\(view.left) jobs neither wait nor ran: they were cancelled, or merged with equal jobs, or Redis lost them; "
                        + "another --name reads their ranges again")
                return false
            }
            isQuiet = isEmpty
            if output.isTerminal {
                output.progress(view.bar)
            } else if started >= nextLine {
                output.show(view.line)
                nextLine = started.advanced(by: Self.lineInterval)
            }
            // A large backfill is counted less often: a tenth of the time at most.
            let took = ContinuousClock.now - started
            try await ContinuousClock().sleep(for: max(Self.interval, took * 10))
        }
    }

    private func read() async throws -> BackfillView.Reading {
        let progress = try await store.progress(of: backfill)
        var failed = Set(try await store.refusedJobs(of: backfill))
        var isCut = false
        let start = Array("\(backfill):".utf8)
        for offset in stride(from: 0, to: Self.lettersLooked, by: JobQueue.batchLimit) {
            let page = try await queue.deadLetters(offset: offset, limit: JobQueue.batchLimit)
            failed.formUnion(page.letters.map(\.id).filter { $0.utf8.starts(with: start) })
            if offset + JobQueue.batchLimit >= page.total { break }
            isCut = offset + 2 * JobQueue.batchLimit > Self.lettersLooked
        }
        return BackfillView.Reading(
            done: progress.succeeded, running: progress.running, failed: failed.count,
            cancelled: progress.cancelled, isCut: isCut)
    }

    private func nothingWaits() async throws -> Bool {
        let statistics = try await queue.statistics()
        return statistics.ready.values.allSatisfy { $0 == 0 } && statistics.inFlight == 0
            && statistics.delayed == 0 && statistics.parked == 0
    }
}
