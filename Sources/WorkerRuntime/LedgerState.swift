// SPDX-License-Identifier: Apache-2.0

/// What a worker believes about the ledger, and what follows for its claims. Without the ledger a job can only fail, so it
/// is better left in its queue.
struct LedgerState: Sendable {
    /// What happened.
    enum Event: Sendable {
        /// A statement failed in a way that may mean that the ledger cannot be used.
        case doubted
        /// The ledger refused a write for lack of room, which no probe sees.
        case refused(reason: String)
        case probeSucceeded
        case probeFailed(reason: String)
        /// A run committed something, or ended.
        case worked
    }

    /// How many jobs may be claimed.
    enum Allowance: Sendable, Equatable {
        case all
        case one
        case none
    }

    private enum Phase: Sendable {
        case open
        /// Nothing is claimed until a probe has answered.
        case doubted
        case closed(until: ContinuousClock.Instant)
        /// The ledger answers, but refused writes before: a job at a time shows whether it takes them again.
        case trial(nextJob: ContinuousClock.Instant)
    }

    /// The ledger is asked this often while nothing else tells that it works.
    static let quietInterval: Duration = .seconds(4)
    /// And this often while it does not.
    static let closedInterval: Duration = .seconds(1)
    /// Between two jobs of a trial.
    static let trialInterval: Duration = .seconds(1)
    /// A refusal closes for 1 s, the next ones for longer, up to this.
    static let longestRefusal: Duration = .seconds(3)
    /// Without a refusal for so long a trial counts as healthy, as there may be no job to try.
    static let refusalMemory: Duration = .seconds(10)
    /// A statement that timed out this soon after a trouble is put down to it.
    static let troubleMemory: Duration = .seconds(60)

    private var phase = Phase.open
    private var needsTrial = false
    private var refusalWait: Duration = .seconds(1)
    private var reason = ""
    private var lastRefusal: ContinuousClock.Instant?
    private var lastTrouble: ContinuousClock.Instant?
    /// When something last told that the ledger works.
    private var lastSign: ContinuousClock.Instant

    /// A ledger that works, as far as anybody knows.
    init(now: ContinuousClock.Instant) {
        lastSign = now
    }

    mutating func note(_ event: Event, now: ContinuousClock.Instant) {
        switch event {
        case .doubted:
            if case .closed = phase { return }
            phase = .doubted
        case .refused(let reason):
            (self.reason, lastRefusal, lastTrouble) = (reason, now, now)
            needsTrial = true
            // Several jobs that ran at once hear the same refusal.
            if case .closed = phase { return }
            phase = .closed(until: now + refusalWait)
            refusalWait = min(refusalWait * 2, Self.longestRefusal)
        case .probeFailed(let reason):
            (self.reason, lastTrouble) = (reason, now)
            phase = .closed(until: now + Self.closedInterval)
        case .probeSucceeded:
            lastSign = now
            if case .closed(let until) = phase, now < until { return }
            if case .trial = phase { return }
            phase = needsTrial ? .trial(nextJob: now) : .open
        case .worked:
            lastSign = now
            // What a run committed before the trouble says nothing about now.
            guard case .trial = phase else { return }
            (phase, needsTrial, refusalWait) = (.open, false, .seconds(1))
        }
    }

    /// How many jobs may be claimed now.
    func allowance(now: ContinuousClock.Instant) -> Allowance {
        switch phase {
        case .open: .all
        case .trial(let nextJob): now >= nextJob ? .one : .none
        case .doubted, .closed: .none
        }
    }

    /// A job was claimed.
    mutating func claimed(now: ContinuousClock.Instant) {
        if case .trial = phase { phase = .trial(nextJob: now + Self.trialInterval) }
    }

    /// Whether to ask the ledger now, and whether on a new connection; nil when there is no need.
    func probe(now: ContinuousClock.Instant) -> (isDue: Bool, isFresh: Bool) {
        switch phase {
        case .open, .trial: (now - lastSign >= Self.quietInterval, false)
        case .doubted: (true, true)
        case .closed(let until): (now >= until, true)
        }
    }

    /// Why the ledger cannot be used; nil while it can.
    func trouble(now: ContinuousClock.Instant) -> String? {
        switch phase {
        case .closed: return reason
        case .open: return nil
        case .doubted, .trial:
            guard needsTrial, let lastRefusal, now - lastRefusal < Self.refusalMemory else { return nil }
            return reason
        }
    }

    /// Whether the ledger failed a short while ago.
    func wasInTrouble(now: ContinuousClock.Instant) -> Bool {
        lastTrouble.map { now - $0 < Self.troubleMemory } ?? false
    }

    /// Whether the next probe will tell about a doubt.
    var isDoubted: Bool {
        if case .doubted = phase { true } else { false }
    }
}
