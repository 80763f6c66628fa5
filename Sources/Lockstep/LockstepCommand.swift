// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

@main
struct LockstepCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lockstep",
        abstract: "Keeps a Postgres copy of your users' SaaS data in step with its source.",
        subcommands: [
            DevCommand.self, GatewayCommand.self, SandboxCommand.self, MigrateCommand.self,
            DoctorCommand.self,
            IntegrationsCommand.self, ConnectLinkCommand.self, SyncCommand.self, EnqueueCommand.self,
            BackfillCommand.self, ActionCommand.self,
            StatusCommand.self, QueueCommand.self, LimitsCommand.self, SchedulesCommand.self,
            DeadCommand.self, SweepCommand.self, AlertsCommand.self, SubscriptionsCommand.self,
            ConnectorCommand.self, KeysCommand.self, ViewsCommand.self,
            VerifyCommand.self,
        ])
}
