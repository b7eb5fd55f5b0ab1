import "postgraphile";
import type { GrafastSubscriber, Step } from "postgraphile/grafast";
import { context, get, listen } from "postgraphile/grafast";
import type { PgResource } from "postgraphile/@dataplan/pg";
import { extendSchema, gql } from "postgraphile/utils";
import type { LiveEvent } from "../../live/live_event.ts";

declare global {
  namespace Grafast {
    interface Context {
      /** What a subscription is told now. */
      liveEvents: GrafastSubscriber<{ events: LiveEvent }>;
    }
  }
}

/**
 * The subscriptions. Who runs one is told of a list of events at a time, see `makeRunEvents`; the rows around
 * an event are read as any query reads them.
 */
export const LivePlugin: GraphileConfig.Plugin = extendSchema((build) => {
  const { "analysis_run": runs, prompts } = build.input.pgRegistry.pgResources;
  const subscription = {
    subscribePlan: () => listen(context().get("liveEvents"), "events"),
    plan: ($event: Step) => $event,
  };
  /** The row of an event, as the request may see it. */
  const rowOf = (resource: PgResource | undefined) => ($event: Step) =>
    resource!.get({ id: get($event, "rowId") } as never);
  return {
    typeDefs: gql`
      """What an event of a subscription says."""
      enum LiveKind {
        """
        Nothing changed: all changes before this cursor have been told. The first event of a subscription, the one
        after those that a cursor had missed, and one from time to time, so that there is a fresh cursor.
        """
        READY
        """A row was made."""
        INSERTED
        """A row was changed, or the marts were brought up to date."""
        UPDATED
        """A row was deleted: its id is all that is left."""
        DELETED
      }

      """A mart that is kept up to date."""
      enum LiveMart {
        """Metrics by key, hour and day."""
        metric_timeseries
        """Analyses by hour."""
        analysis_hourly
        """Analyses by day."""
        analysis_daily
        """Analyses by day and by prompt, language and the like."""
        analysis_daily_by
        """The use of features by day."""
        feature_daily
      }

      """Facts that marts are computed from."""
      enum LiveSource {
        """Metrics of analyses."""
        metric
        """Results of the nodes of analyses."""
        node
        """Scores that judges gave."""
        judge
        """Metrics of workflow runs."""
        evaluation
        """Analyses."""
        analysis
        """The use of features."""
        feature
      }

      """A change of an analysis run."""
      type AnalysisRunChange {
        """Where to go on: the changes after this one come with \`after\`. Good for 24 hours."""
        cursor: Cursor!
        """What happened."""
        kind: LiveKind!
        """Of which run; null if nothing changed."""
        analysisRunId: UUID
        """The run as it is now, which may be newer than this change; null if it is gone."""
        analysisRun: AnalysisRun
      }

      """A change of a prompt."""
      type PromptChange {
        """Where to go on: the changes after this one come with \`after\`. Good for 24 hours."""
        cursor: Cursor!
        """What happened."""
        kind: LiveKind!
        """Of which prompt; null if nothing changed."""
        promptId: String
        """The prompt as it is now, which may be newer than this change; null if it is gone."""
        prompt: Prompt
      }

      """Marts were brought up to date."""
      type MartsUpdate {
        """Where to go on: the updates after this one come with \`after\`. Good for 24 hours."""
        cursor: Cursor!
        """UPDATED, or READY."""
        kind: LiveKind!
        """Which facts were counted anew; null if nothing changed."""
        source: LiveSource
        """In which marts."""
        marts: [LiveMart!]
        """Start of the first hour that was computed."""
        from: Datetime
        """End of the last hour that was computed."""
        to: Datetime
      }

      extend type Subscription {
        """Changes of the analysis runs of the request's organization, as they are committed."""
        analysisRunChanged(
          """The cursor to go on after; without one, from now on."""
          after: Cursor
          """Only runs of this prompt."""
          promptId: String
          """Only changes of runs that had one of these statuses before, or have it afterwards."""
          status: [AnalysisRunStatus!]
        ): AnalysisRunChange

        """Changes of the prompts of the request's organization, as they are committed."""
        promptChanged(
          """The cursor to go on after; without one, from now on."""
          after: Cursor
          """Only this prompt."""
          promptId: String
        ): PromptChange

        """Each time the marts of the request's organization were brought up to date."""
        martsUpdated(
          """The cursor to go on after; without one, from now on."""
          after: Cursor
        ): MartsUpdate
      }
    `,
    objects: {
      Subscription: {
        plans: {
          analysisRunChanged: subscription,
          promptChanged: subscription,
          martsUpdated: subscription,
        },
      },
      AnalysisRunChange: {
        plans: {
          analysisRunId: ($event: Step) => get($event, "id"),
          analysisRun: rowOf(runs),
        },
      },
      PromptChange: {
        plans: {
          promptId: ($event: Step) => get($event, "id"),
          prompt: rowOf(prompts),
        },
      },
    },
  };
}, "CurestryLivePlugin");
