// The shapes that dashboards are held against: Grafana's own, with the options of each kind of panel that is used and with what
// the Prometheus data source adds. JSON has literals where Grafana's types have enums.
import type { AnnotationQuery, Dashboard, Panel, RowPanel } from '@grafana/schema';
import type * as barchart from '@grafana/schema/dist/esm/raw/composable/barchart/panelcfg/x/BarChartPanelCfg_types.gen';
import type * as bargauge from '@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as table from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type * as text from '@grafana/schema/dist/esm/raw/composable/text/panelcfg/x/TextPanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Literal<T> = T extends string
  ? `${T}`
  : T extends number
    ? (`${T}` extends `${infer N extends number}` ? N : T)
    : T extends boolean | null | undefined
      ? T
      : T extends Array<infer E>
        ? Array<Literal<E>>
        : T extends object
          ? { [K in keyof T]: Literal<T[K]> }
          : T;

interface Target {
  datasource: { type: 'prometheus'; uid: '${datasource}' };
  refId: string;
  expr: string;
  legendFormat: string;
  editorMode: 'code';
  format: 'time_series' | 'table' | 'heatmap';
  instant: boolean;
  range: boolean;
}

// (every panel that asks something says what it shows, and in which unit)
type Of<Type extends string, Options, Custom> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets' | 'description'> & {
  type: Type;
  description: string;
  targets: Target[];
  options: Options;
  fieldConfig: Omit<NonNullable<Panel['fieldConfig']>, 'defaults'> & {
    defaults: Omit<NonNullable<Panel['fieldConfig']>['defaults'], 'custom' | 'unit'> & { unit: string; custom?: Custom };
  };
};

type Known =
  | RowPanel
  | Of<'barchart', barchart.Options, barchart.FieldConfig>
  | Of<'bargauge', bargauge.Options, never>
  | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | Of<'stat', stat.Options, never>
  | Of<'state-timeline', timeline.Options, timeline.FieldConfig>
  | Of<'table', table.Options, table.FieldConfig>
  | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | (Omit<Panel, 'type' | 'options'> & { type: 'text'; description: string; options: text.Options });

// (as a Prometheus data source keeps them; Grafana's type has those of its built-in data source)
type Annotation = Omit<AnnotationQuery, 'target'> & {
  target: { refId: 'Anno'; expr: string; interval: string };
  titleFormat: string;
  textFormat: string;
  tagKeys: string;
};

export type Checked = Literal<
  Omit<Dashboard, 'panels' | 'annotations' | 'schemaVersion' | 'uid' | 'id' | 'editable'> & {
    uid: string;
    schemaVersion: 42;
    editable: false;
    panels: Known[];
    annotations: { list: Annotation[] };
  }
>;
